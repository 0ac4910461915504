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
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }
    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_;
};

inline Fd open_fd(const char * path, int flags, int mode = 0) {
    return Fd(retry([&] { return ::open(path, flags | O_CLOEXEC, mode); }));
}

}  // namespace ql::os
