// Read-only memory maps (POSIX).
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::os {

/// Which file is mapped where, for a handler of SIGBUS.
struct MappedRange {
    uintptr_t begin = 0, end = 0;
    std::string path;
    int fd = -1;  // open as long as the file is mapped
};

namespace {
Noted<MappedRange> mapped_ranges;
}

const char * mapped_path(const void * address) {
    const auto at = reinterpret_cast<uintptr_t>(address);
    const MappedRange * found =
        mapped_ranges.find([&](const MappedRange & range) { return at >= range.begin && at < range.end; });
    return found ? found->path.c_str() : nullptr;
}

FileRange mapped_range(const void * address, size_t bytes) {
    const auto at = reinterpret_cast<uintptr_t>(address);
    const MappedRange * found = mapped_ranges.find(
        [&](const MappedRange & range) { return at >= range.begin && at < range.end && bytes <= range.end - at; });
    return found ? FileRange{found->fd, at - found->begin, bytes, address} : FileRange{};
}

std::string mapped_name(int fd) {
    const MappedRange * found = mapped_ranges.find([&](const MappedRange & range) { return range.fd == fd; });
    return found ? found->path : "";
}

Result<MappedFile> MappedFile::open(const std::string & path) {
    // O_NONBLOCK: a FIFO is refused below instead of waited for.
    Fd fd = open_fd(path.c_str(), O_RDONLY | O_NONBLOCK);
    if (!fd) return system_error(path, "cannot open", errno);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return system_error(path, "cannot read", errno);
    if (S_ISDIR(info.st_mode)) return error(QL_IO, "%s: is a directory, a file is needed", path.c_str());
    if (!S_ISREG(info.st_mode)) return error(QL_IO, "%s: is not a regular file", path.c_str());

    return of(std::move(fd), static_cast<uint64_t>(info.st_size), path);
}

Result<MappedFile> MappedFile::of(Fd fd, uint64_t bytes, const std::string & path) {
    MappedFile file;
    if (bytes == 0) return file;
    const auto size = static_cast<size_t>(bytes);
    void * data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (data == MAP_FAILED) return system_error(path, "cannot map", errno);
    file.data_ = static_cast<const uint8_t *>(data);
    file.size_ = size;
    const auto begin = reinterpret_cast<uintptr_t>(data);
    file.fd_ = fd.release();
    file.record_ = mapped_ranges.note({begin, begin + size, path, file.fd_});
    return file;
}

void MappedFile::forget(const void * data, size_t bytes) const {
    const auto begin = reinterpret_cast<uintptr_t>(data), file = reinterpret_cast<uintptr_t>(data_);
    if (data_ && begin >= file && begin + bytes <= file + size_) forget_mapped(data, bytes);
}

void forget_mapped(const void * address, size_t bytes) {
    if (mapped_range(address, bytes).fd < 0) return;
    const auto begin = reinterpret_cast<uintptr_t>(address);
    const uintptr_t first = (begin + kPageBytes - 1) / kPageBytes * kPageBytes,
                    last = (begin + bytes) / kPageBytes * kPageBytes;
    if (first < last) ::madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile && other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      fd_(std::exchange(other.fd_, -1)),
      record_(std::exchange(other.record_, nullptr)) {}

MappedFile & MappedFile::operator=(MappedFile && other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(fd_, other.fd_);
    std::swap(record_, other.record_);
    return *this;
}

MappedFile::~MappedFile() {
    if (!data_) return;
    Noted<MappedRange>::forget(record_);
    ::munmap(const_cast<uint8_t *>(data_), size_);
    ::close(fd_);
}

}  // namespace ql::os
