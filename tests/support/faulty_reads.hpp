// A disk that reads less than was asked for, or fails: for one file of a test program, whose calls of pread() go through
// this header's.
#pragma once
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace ql::test {

struct FaultyReads {
    /// Reads return no more than so many bytes; 0: all.
    inline static std::atomic<size_t> most{0};
    /// From here on the file fails with EIO; < 0: nowhere.
    inline static std::atomic<int64_t> broken_from{-1};
    inline static std::atomic<ino_t> file{0};
    inline static std::atomic<int> spoilt{0};  // calls that did not get what they asked for

    explicit FaultyReads(const std::string & path) {
        struct stat info = {};
        ::stat(path.c_str(), &info);
        file = info.st_ino, most = 0, broken_from = -1, spoilt = 0;
    }
    ~FaultyReads() { file = 0; }
    FaultyReads(const FaultyReads &) = delete;
    FaultyReads & operator=(const FaultyReads &) = delete;

    static ssize_t read(int fd, void * to, size_t bytes, off_t offset) {
        struct stat info = {};
        if (file != 0 && ::fstat(fd, &info) == 0 && info.st_ino == file) {
            if (broken_from >= 0 && offset + static_cast<off_t>(bytes) > broken_from) {
                ++spoilt;
                if (offset >= broken_from) return errno = EIO, -1;
                bytes = static_cast<size_t>(broken_from - offset);
            }
            if (most > 0 && bytes > most) ++spoilt, bytes = most;
        }
        return ::syscall(SYS_pread64, fd, to, bytes, offset);
    }
};

}  // namespace ql::test

extern "C" ssize_t pread(int fd, void * to, size_t bytes, off_t offset) {
    return ql::test::FaultyReads::read(fd, to, bytes, offset);
}
