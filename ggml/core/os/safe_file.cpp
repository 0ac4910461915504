// Safe writing (POSIX): a reader, or the system after a power cut, sees the old file or the new one, never a part.
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/sizes.hpp"
#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::os {

struct TemporaryNames {
    std::string name, staged;
};

namespace {

Noted<TemporaryNames> temporaries;

std::string folder_of(const std::string & path) {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

/// Checks that what is at the path allows a new file. `*mode` gets the permissions of an existing one, else stays.
Status check_target(const std::string & path, mode_t * mode) {
    if (path.empty()) return error(QL_INVALID_ARGUMENT, "the path of the file to write is empty");
    if (path.back() == '/') return error(QL_IO, "%s: names a directory, a file name is needed", path.c_str());
    struct stat info;
    const std::string folder = folder_of(path);
    if (::stat(folder.c_str(), &info) != 0) return system_error(path, "its folder", errno);
    if (!S_ISDIR(info.st_mode)) return error(QL_IO, "%s: %s is not a folder", path.c_str(), folder.c_str());
    if (::stat(path.c_str(), &info) != 0) return errno == ENOENT ? Status() : system_error(path, "cannot write", errno);
    if (S_ISDIR(info.st_mode)) return error(QL_IO, "%s: is a directory, a file name is needed", path.c_str());
    // Renaming over a device, say /dev/null, would replace it.
    if (!S_ISREG(info.st_mode)) return error(QL_IO, "%s: is not a regular file", path.c_str());
    if (::access(path.c_str(), W_OK) != 0) return system_error(path, "cannot write", errno);
    *mode = info.st_mode & 0777;
    return {};
}

Status check_space(const std::string & path, uint64_t size) {
    QL_ASSIGN(const uint64_t available, free_space(path));
    if (size <= available) return {};
    return error(QL_NO_SPACE, "%s: needs %s and %s are free; free some space or choose another place", path.c_str(),
                 size_with_unit(size).c_str(), size_with_unit(available).c_str());
}

/// Clears the temporary's name. A file left by a dead process with our number is removed; another thread's file, which
/// is locked, is an error. Whatever else is there was not made by us: it is neither written nor followed.
Status clear_the_name(const std::string & path, const std::string & temporary) {
    const Fd fd = open_fd(temporary.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd && errno == ENOENT) return {};
    struct stat opened, named;
    if (!fd || ::fstat(fd.get(), &opened) != 0 || !S_ISREG(opened.st_mode))
        return error(QL_IO, "%s: %s is in the way, and is not a file that can be replaced; remove it", path.c_str(),
                     temporary.c_str());
    if (retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0 && errno == EWOULDBLOCK)
        return error(QL_IO, "%s: is being written by this process already", path.c_str());
    if (::lstat(temporary.c_str(), &named) != 0 || named.st_ino != opened.st_ino || named.st_dev != opened.st_dev)
        return {};  // its owner has renamed or removed it meanwhile
    if (::unlink(temporary.c_str()) != 0) return system_error(path, "cannot remove its old temporary file", errno);
    return {};
}

/// Creates the temporary file, and locks it against this process's other threads. O_EXCL: what is written goes to a
/// file that is new, never to one that somebody put or linked there. Between creation and lock another thread may take
/// the file for a dead process's and remove it: then the name is tried again.
Result<int> open_temporary(const std::string & path, const std::string & temporary) {
    for (int attempt = 0; attempt < 100; attempt++) {
        Fd fd = open_fd(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
        if (!fd && errno != EEXIST) return system_error(path, "cannot create a file in its folder", errno);
        if (!fd) {
            QL_TRY(clear_the_name(path, temporary));
            continue;
        }
        (void)retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); });
        struct stat opened, named;
        if (::fstat(fd.get(), &opened) != 0 || ::lstat(temporary.c_str(), &named) != 0) continue;
        if (opened.st_ino == named.st_ino && opened.st_dev == named.st_dev) return fd.release();
    }
    return error(QL_IO, "%s: its temporary file keeps disappearing", path.c_str());
}

/// The digits that `text` begins with where they can be a process number, else "".
std::string leading_number(const std::string & text) {
    const size_t n = std::min(text.find_first_not_of("0123456789"), text.size());
    return n <= 9 ? text.substr(0, n) : "";
}

/// The process whose file has `rest` after "PATH.tmp-" in its name: "<pid>", "<pid>.new", "<pid>.new.tmp-<pid>"; "" for
/// any other file.
std::string writer_of(const std::string & rest) {
    const std::string number = leading_number(rest), staged = number + ".new", nested = staged + ".tmp-";
    if (number.empty() || rest == number || rest == staged) return number;
    const std::string tail = rest.starts_with(nested) ? rest.substr(nested.size()) : "";
    return !tail.empty() && leading_number(tail) == tail ? number : "";
}

/// True if the process is gone and does not hold the lock of its temporary either: a live process of another machine
/// or container may have that number.
bool is_dead_writer(const std::string & number, const std::string & temporary) {
    if (::kill(static_cast<pid_t>(std::stoi(number)), 0) == 0 || errno != ESRCH) return false;
    const Fd fd = open_fd(temporary.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    return fd ? ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0 : errno == ENOENT;
}

/// Deletes what killed writers of the same path left.
void remove_stale_temporaries(const std::string & path) {
    namespace fs = std::filesystem;
    const std::string stem = path.substr(path.rfind('/') + 1) + ".tmp-";
    std::error_code ec;
    for (fs::directory_iterator it(folder_of(path), ec), end; !ec && it != end; it.increment(ec)) {
        const std::string name = it->path().filename().string();
        const std::string number = name.starts_with(stem) ? writer_of(name.substr(stem.size())) : "";
        if (!number.empty() && is_dead_writer(number, path + ".tmp-" + number)) ::unlink(it->path().c_str());
    }
}

/// Syncs a file's folder. If it cannot be opened or synced (some network file systems), no more can be promised.
void sync_folder_of(const std::string & path) {
    const Fd folder = open_fd(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY);
    if (folder) (void)retry([&] { return ::fsync(folder.get()); });
}

/// The path that a chain of symbolic links ends in, so that the file is replaced and not the link.
std::string follow_links(const std::string & path) {
    struct stat info;
    if (::lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return path;
    const std::unique_ptr<char, void (*)(void *)> target(::realpath(path.c_str(), nullptr), ::free);
    return target ? std::string(target.get()) : path;
}

}  // namespace

void remove_temporaries() {
    temporaries.find([](const TemporaryNames & names) {
        ::unlink(names.name.c_str());
        ::unlink(names.staged.c_str());
        return false;
    });
}

Result<SafeFile> SafeFile::create(const std::string & path, uint64_t expected_size) {
    mode_t mode = 0;
    QL_TRY(check_target(path, &mode));
    SafeFile file;
    file.path_ = follow_links(path);
    remove_stale_temporaries(file.path_);
    QL_TRY(check_space(file.path_, expected_size));
    file.temporary_ = file.path_ + ".tmp-" + std::to_string(::getpid());
    QL_ASSIGN(file.fd_, open_temporary(file.path_, file.temporary_));
    file.record_ = temporaries.note({file.temporary_, file.staged()});
    if (mode != 0) (void)!::fchmod(file.fd_, mode);  // as the old file's where that is allowed
    return file;
}

SafeFile::SafeFile(SafeFile && other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_),
      record_(std::exchange(other.record_, nullptr)) {}

SafeFile::~SafeFile() {
    if (fd_ < 0) return;
    ::unlink(temporary_.c_str());
    ::close(fd_);
    Noted<TemporaryNames>::forget(record_);
}

Status SafeFile::append(const void * data, size_t size) {
    QL_TRY(write_all(path_, fd_, data, size));
    size_ += size;
#ifdef __linux__
    // The disk begins to write what is there: commit() then waits for the end of the file, not for all of it.
    constexpr uint64_t kStep = uint64_t{8} << 20;
    if (size_ / kStep != (size_ - size) / kStep) (void)::sync_file_range(fd_, 0, 0, SYNC_FILE_RANGE_WRITE);
#endif
    return {};
}

Status SafeFile::commit() {
    if (retry([&] { return ::fsync(fd_); }) != 0) return system_error(path_, "cannot write", errno);
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) return system_error(path_, "cannot rename", errno);
    ::close(std::exchange(fd_, -1));
    Noted<TemporaryNames>::forget(std::exchange(record_, nullptr));
    sync_folder_of(path_);
    return {};
}

Status SafeFile::adopt_staged() {
    const std::string from = staged();
    Fd fd = open_fd(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (!fd) return system_error(path_, "cannot open what was written for it", errno);
    struct stat mine, its;
    if (::fstat(fd_, &mine) != 0 || ::fstat(fd.get(), &its) != 0) return system_error(path_, "cannot read", errno);
    if (!S_ISREG(its.st_mode)) return error(QL_IO, "%s: what was written for it is not a regular file", path_.c_str());
    (void)!::fchmod(fd.get(), mine.st_mode & 0777);
    (void)retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); });
    if (::rename(from.c_str(), temporary_.c_str()) != 0) return system_error(path_, "cannot rename", errno);
    ::close(std::exchange(fd_, fd.release()));
    size_ = static_cast<uint64_t>(its.st_size);
    return {};
}

Status sync_file(const std::string & path) {
    const Fd fd = open_fd(path.c_str(), O_RDONLY | O_NONBLOCK);
    if (!fd) return system_error(path, "cannot open", errno);
    if (retry([&] { return ::fsync(fd.get()); }) != 0) return system_error(path, "cannot write", errno);
    sync_folder_of(follow_links(path));
    return {};
}

}  // namespace ql::os
