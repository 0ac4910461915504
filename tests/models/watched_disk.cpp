#include "models/watched_disk.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace ql::test {
namespace {

std::mutex mutex;
bool watching = false;
int64_t countdown = -1;          // bytes until the one to spoil; < 0: none
std::function<bool()> has_room;  // none: all writes fit
std::vector<WatchedDisk::Synced> seen;

}  // namespace

WatchedDisk::WatchedDisk() {
    const std::lock_guard lock(mutex);
    watching = true, countdown = -1, has_room = nullptr;
    seen.clear();
}

WatchedDisk::~WatchedDisk() {
    const std::lock_guard lock(mutex);
    watching = false, countdown = -1, has_room = nullptr;
}

void WatchedDisk::spoil(uint64_t n) {
    const std::lock_guard lock(mutex);
    countdown = static_cast<int64_t>(n);
}

void WatchedDisk::fill_until(std::function<bool()> room) {
    const std::lock_guard lock(mutex);
    has_room = std::move(room);
}

std::vector<WatchedDisk::Synced> WatchedDisk::synced() const {
    const std::lock_guard lock(mutex);
    return seen;
}

ino_t WatchedDisk::file(const std::string & path) {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) throw std::runtime_error(path + " is not there");
    return info.st_ino;
}

}  // namespace ql::test

// These replace libc's for the objects of this program; libc's and libstdc++'s own calls stay as they are.
extern "C" ssize_t write(int fd, const void * data, size_t size) {
    using namespace ql::test;
    std::string spoilt;
    {
        const std::lock_guard lock(mutex);
        if (has_room && !has_room()) return errno = ENOSPC, -1;
        if (countdown >= static_cast<int64_t>(size))
            countdown -= static_cast<int64_t>(size);
        else if (countdown >= 0) {
            spoilt.assign(static_cast<const char *>(data), size);
            spoilt[static_cast<size_t>(countdown)] ^= 1;
            countdown = -1;
        }
    }
    return ::syscall(SYS_write, fd, spoilt.empty() ? data : spoilt.data(), size);
}

extern "C" int fsync(int fd) {
    using namespace ql::test;
    struct stat info;
    if (::fstat(fd, &info) == 0) {
        const std::lock_guard lock(mutex);
        if (watching) seen.push_back({info.st_ino, info.st_size});
    }
    return static_cast<int>(::syscall(SYS_fsync, fd));
}
