// A file that grows at its end (POSIX).
#include <sys/stat.h>

#include <algorithm>

#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::os {

Result<Journal> Journal::open(const std::string & path) {
    Fd fd = open_fd(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0666);
    if (!fd) return system_error(path, "cannot open for writing", errno);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return system_error(path, "cannot read", errno);
    if (!S_ISREG(info.st_mode)) return error(QL_IO, "%s: is not a regular file", path.c_str());
    return Journal(path, fd.release());
}

Status Journal::append(std::string_view record) {
    return write_all(path_, fd_, record.data(), record.size());
}

Journal::Journal(Journal && other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

Journal::~Journal() {
    if (fd_ >= 0) ::close(fd_);
}

Status write_all(const std::string & path, int fd, const void * data, size_t size) {
    const char * at = static_cast<const char *>(data);
    while (size > 0) {
        const ssize_t n = retry([&] { return ::write(fd, at, std::min<size_t>(size, 1u << 30)); });
        if (n < 0) return system_error(path, "cannot write", errno);
        at += n;
        size -= static_cast<size_t>(n);
    }
    return {};
}

}  // namespace ql::os
