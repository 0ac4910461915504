// Read-only memory maps (POSIX).
#include <sys/mman.h>
#include <sys/stat.h>

#include <utility>

#include "ggml/core/os/fd.hpp"
#include "ggml/core/os/os.hpp"

namespace ql::os {

/// Which file is mapped where, for a handler of SIGBUS.
struct MappedRange {
    uintptr_t begin = 0, end = 0;
    std::string path;
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

Result<MappedFile> MappedFile::open(const std::string & path) {
    // O_NONBLOCK: a FIFO is refused below instead of waited for.
    const Fd fd = open_fd(path.c_str(), O_RDONLY | O_NONBLOCK);
    if (!fd) return system_error(path, "cannot open", errno);
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return system_error(path, "cannot read", errno);
    if (S_ISDIR(info.st_mode)) return error(QL_IO, "%s: is a directory, a file is needed", path.c_str());
    if (!S_ISREG(info.st_mode)) return error(QL_IO, "%s: is not a regular file", path.c_str());

    MappedFile file;
    if (info.st_size == 0) return file;
    const auto size = static_cast<size_t>(info.st_size);
    void * data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (data == MAP_FAILED) return system_error(path, "cannot map", errno);
    file.data_ = static_cast<const uint8_t *>(data);
    file.size_ = size;
    const auto begin = reinterpret_cast<uintptr_t>(data);
    file.record_ = mapped_ranges.note({begin, begin + size, path});
    return file;
}

void MappedFile::forget(const void * data, size_t bytes) const {
    const auto begin = reinterpret_cast<uintptr_t>(data), file = reinterpret_cast<uintptr_t>(data_);
    if (!data_ || begin < file || begin + bytes > file + size_) return;
    const uintptr_t first = (begin + kPageBytes - 1) / kPageBytes * kPageBytes,
                    last = (begin + bytes) / kPageBytes * kPageBytes;
    if (first < last) ::madvise(reinterpret_cast<void *>(first), last - first, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile && other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      record_(std::exchange(other.record_, nullptr)) {}

MappedFile & MappedFile::operator=(MappedFile && other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(record_, other.record_);
    return *this;
}

MappedFile::~MappedFile() {
    if (!data_) return;
    Noted<MappedRange>::forget(record_);
    ::munmap(const_cast<uint8_t *>(data_), size_);
}

}  // namespace ql::os
