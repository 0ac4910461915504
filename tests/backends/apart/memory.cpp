#include "backends/apart/memory.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace ql::apart {
namespace {

constexpr size_t kPage = 4096;

size_t whole_pages(size_t bytes) {
    return (std::max<size_t>(bytes, 1) + kPage - 1) / kPage * kPage;
}

}  // namespace

Memory::~Memory() {
    for (const auto & [start, bytes] : blocks_) munmap(const_cast<std::byte *>(start) - kPage, bytes + 2 * kPage);
}

Result<void *> Memory::allocate(size_t bytes) {
    const size_t size = whole_pages(bytes);
    void * all = mmap(nullptr, size + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) return error(QL_NO_MEMORY, "apart: no memory for %zu bytes", bytes);
    auto * start = static_cast<std::byte *>(all) + kPage;
    const std::lock_guard lock(mutex_);
    blocks_[start] = size;
    if (users_ > 0) mprotect(start, size, PROT_READ | PROT_WRITE);
    return static_cast<void *>(start);
}

void Memory::release(void * data) {
    const std::lock_guard lock(mutex_);
    const auto it = blocks_.find(static_cast<const std::byte *>(data));
    if (it == blocks_.end()) return;
    munmap(static_cast<std::byte *>(data) - kPage, it->second + 2 * kPage);
    blocks_.erase(it);
}

bool Memory::owns(const void * data, size_t bytes) const {
    const std::lock_guard lock(mutex_);
    const auto * at = static_cast<const std::byte *>(data);
    auto it = blocks_.upper_bound(at);
    if (it == blocks_.begin()) return false;
    --it;
    return at + bytes <= it->first + it->second;
}

void Memory::open() {
    const std::lock_guard lock(mutex_);
    if (users_++ == 0) set_rights(PROT_READ | PROT_WRITE);
}

void Memory::close() {
    const std::lock_guard lock(mutex_);
    if (--users_ == 0) set_rights(PROT_NONE);
}

void Memory::set_rights(int rights) {
    for (const auto & [start, bytes] : blocks_) mprotect(const_cast<std::byte *>(start), bytes, rights);
}

}  // namespace ql::apart
