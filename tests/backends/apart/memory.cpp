#include "backends/apart/memory.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace ql::apart {
namespace {

constexpr size_t kPage = 4096;

size_t whole_pages(size_t bytes) {
    return (std::max<size_t>(bytes, 1) + kPage - 1) / kPage * kPage;
}

/// A piece with a closed page before and behind it; null if there is no memory.
std::byte * map(size_t size, int rights) {
    void * all = mmap(nullptr, size + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return nullptr;
    std::byte * start = static_cast<std::byte *>(all) + kPage;
    mprotect(start, size, rights);
    return start;
}

void unmap_piece(std::byte * start, size_t size) {
    munmap(start - kPage, size + 2 * kPage);
}

}  // namespace

Memory::~Memory() {
    for (const auto & [address, block] : blocks_) unmap(address, block);
}

void Memory::unmap(std::byte * address, const Block & block) {
    unmap_piece(address, block.size);
    unmap_piece(block.bytes, block.size);
}

Result<void *> Memory::allocate(size_t bytes) {
    const size_t size = whole_pages(bytes);
    std::byte * address = map(size, PROT_NONE);
    std::byte * content = address ? map(size, PROT_READ | PROT_WRITE) : nullptr;
    if (!content) {
        if (address) unmap_piece(address, size);
        return error(QL_NO_MEMORY, "apart: no memory for %zu bytes", bytes);
    }
    const std::lock_guard lock(mutex_);
    blocks_[address] = {size, content};
    return static_cast<void *>(address);
}

void Memory::release(void * address) {
    const std::lock_guard lock(mutex_);
    const auto it = blocks_.find(static_cast<std::byte *>(address));
    if (it == blocks_.end()) return;
    unmap(it->first, it->second);
    blocks_.erase(it);
}

Result<std::byte *> Memory::find(const void * address, size_t bytes, const char * what) const {
    const std::lock_guard lock(mutex_);
    auto * at = static_cast<std::byte *>(const_cast<void *>(address));
    auto it = blocks_.upper_bound(at);
    if (it != blocks_.begin()) {
        --it;
        const auto offset = static_cast<size_t>(at - it->first);
        if (offset <= it->second.size && bytes <= it->second.size - offset) return it->second.bytes + offset;
    }
    return error(QL_INTERNAL, "apart: %s is not in the device's memory", what);
}

}  // namespace ql::apart
