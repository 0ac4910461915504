// Large blocks of memory straight from the system: zero, resident only once touched, and in huge pages where the system
// offers them - a training step walks through hundreds of megabytes, more than the tables of 4 KB pages reach.
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "ggml/core/os/os.hpp"

namespace ql::os {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t bytes, size_t unit) {
    return (bytes + unit - 1) / unit * unit;
}

/// A block of at least two huge pages begins at the start of a huge page.
size_t alignment_of(size_t bytes) {
    return bytes >= 2 * kHugePage ? kHugePage : kPageBytes;
}

}  // namespace

Result<void *> allocate_pages(size_t bytes) {
    const size_t alignment = alignment_of(bytes), size = round_up(bytes, kPageBytes), asked = size + alignment;
    if (size < bytes || asked < size) return error(QL_NO_MEMORY, "out of memory: %zu bytes", bytes);
    void * p = ::mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return error(QL_NO_MEMORY, "out of memory: %zu bytes: %s", bytes, std::strerror(errno));
    auto * const begin = static_cast<std::byte *>(p);
    const size_t before = round_up(reinterpret_cast<uintptr_t>(begin), alignment) - reinterpret_cast<uintptr_t>(begin);
    if (before > 0) ::munmap(begin, before);
    if (asked > before + size) ::munmap(begin + before + size, asked - before - size);
#ifdef MADV_HUGEPAGE
    if (alignment == kHugePage) ::madvise(begin + before, size, MADV_HUGEPAGE);  // a request only: small pages work too
#endif
    return static_cast<void *>(begin + before);
}

void release_pages(void * pages, size_t bytes) {
    if (pages) ::munmap(pages, round_up(bytes, kPageBytes));
}

Result<SparsePages> SparsePages::reserve(size_t bytes) {
    const size_t size = round_up(bytes, kPageBytes);
    void * p = size < bytes
                   ? MAP_FAILED
                   : ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return error(QL_NO_MEMORY, "out of memory: address space for %zu bytes", bytes);
#ifdef MADV_NOHUGEPAGE
    ::madvise(p, size, MADV_NOHUGEPAGE);  // a byte must not bring two megabytes into memory
#endif
    return SparsePages(static_cast<std::byte *>(p), size);
}

SparsePages::SparsePages(SparsePages && other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

SparsePages::~SparsePages() {
    if (data_) ::munmap(data_, bytes_);
}

void SparsePages::drop() {
    ::madvise(data_, bytes_, MADV_DONTNEED);
}

}  // namespace ql::os
