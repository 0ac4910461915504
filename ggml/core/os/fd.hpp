// A POSIX file descriptor that closes itself, and calls repeated when a signal interrupts them.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace ql::os {

template <typename Call>
auto retry(Call && call) {
    decltype(call()) result;
    do result = call();
    while (result == -1 && errno == EINTR);
    return result;
}

class Fd {
  public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    Fd(Fd && other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd & operator=(Fd && other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() {
        const int code = errno;  // closing must not change the error under report
        if (fd_ >= 0) ::close(fd_);
        errno = code;
    }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_;
};

/// The same open file under a number that is no standard stream's. Where the process was started with one of 0, 1, 2
/// closed, the system gives that number to the next file, and whatever is printed would go into that file.
inline Fd above_standard_streams(Fd fd) {
    if (!fd || fd.get() > STDERR_FILENO) return fd;
    return Fd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

/// The one way in which this library opens a file to hold or to write.
inline Fd open_fd(const char * path, int flags, int mode = 0) {
    return above_standard_streams(Fd(retry([&] { return ::open(path, flags | O_CLOEXEC, mode); })));
}

}  // namespace ql::os
