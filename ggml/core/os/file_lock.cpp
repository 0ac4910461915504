// File locks (POSIX). flock() is the lock: it works between threads too, and ends with its holder. The record lock
// beside it is there only because the system tells who holds one.
#include <sys/file.h>
#include <sys/stat.h>

#include <utility>

#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::os {

struct LockName {
    std::string path;
    int fd;
};

namespace {

Noted<LockName> locks;

struct flock whole_file() {
    struct flock record = {};
    record.l_type = F_WRLCK;
    record.l_whence = SEEK_SET;
    return record;
}

Status in_use(const std::string & path, int fd) {
    struct flock record = whole_file();
    if (::fcntl(fd, F_GETLK, &record) == 0 && record.l_type != F_UNLCK && record.l_pid > 0)
        return error(QL_INVALID_ARGUMENT, "%s: in use by process %d", path.c_str(), static_cast<int>(record.l_pid));
    // The query skips this process's own record locks, and closing any of its descriptors of the file ends them.
    return error(QL_INVALID_ARGUMENT, "%s: in use already, by another process or by this process (%d)", path.c_str(),
                 static_cast<int>(::getpid()));
}

/// Whether the descriptor's file is still the one at the path: its last owner may have removed it meanwhile.
bool still_named(const std::string & path, int fd) {
    struct stat opened, named;
    return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
           opened.st_dev == named.st_dev;
}

/// Removed while still locked, so that nobody's lock is on a file without a name (see still_named).
void remove_empty(const std::string & path, int fd) {
    struct stat info;
    if (::fstat(fd, &info) == 0 && info.st_size == 0 && still_named(path, fd)) ::unlink(path.c_str());
}

}  // namespace

Result<FileLock> FileLock::take(const std::string & path) {
    for (int attempt = 0; attempt < 100; attempt++) {
        Fd fd = open_fd(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0666);
        if (!fd && errno == ELOOP) return error(QL_IO, "%s: is a link; a lock is a file of its own", path.c_str());
        if (!fd) return system_error(path, "cannot open for locking", errno);
        if (retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
            if (errno == EWOULDBLOCK) return in_use(path, fd.get());
            return system_error(path, "cannot lock", errno);
        }
        if (!still_named(path, fd.get())) continue;
        struct flock record = whole_file();
        (void)::fcntl(fd.get(), F_SETLK, &record);
        FileLock lock;
        lock.path_ = path;
        lock.fd_ = fd.release();
        lock.record_ = locks.note({path, lock.fd_});
        return lock;
    }
    return error(QL_IO, "%s: the lock file keeps disappearing", path.c_str());
}

FileLock::FileLock(FileLock && other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      record_(std::exchange(other.record_, nullptr)) {}

FileLock::~FileLock() {
    if (fd_ < 0) return;
    remove_empty(path_, fd_);
    Noted<LockName>::forget(record_);
    ::close(fd_);
}

void remove_locks() {
    locks.find([](const LockName & lock) {
        remove_empty(lock.path, lock.fd);
        return false;
    });
}

}  // namespace ql::os
