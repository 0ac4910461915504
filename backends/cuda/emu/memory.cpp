#include "backends/cuda/emu/memory.hpp"

#include <sys/mman.h>

#include <cstring>
#include <iterator>

namespace ql::cuda::emu {
namespace {

constexpr size_t kGap = 256;  // behind every allocation; also the alignment

void * reserve(size_t bytes, int rights) {
    void * range = mmap(nullptr, bytes, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return range == MAP_FAILED ? nullptr : range;
}

}  // namespace

Memory::Memory()
    : base_(static_cast<std::byte *>(reserve(kReserved, PROT_NONE))),
      shadows_(static_cast<Shadow *>(reserve(kReserved * sizeof(Shadow), PROT_READ | PROT_WRITE))) {}

Memory::~Memory() {
    if (base_) munmap(base_, kReserved);
    if (shadows_) munmap(shadows_, kReserved * sizeof(Shadow));
}

void Memory::set_open(bool open) {
    if (end_ > 0) mprotect(base_, end_, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

void * Memory::allocate(size_t bytes) {
    if (!base_ || bytes > kReserved) return nullptr;
    size_t size = (bytes + kGap - 1) / kGap * kGap + kGap, at;
    if (const auto found = free_.lower_bound(size); found != free_.end() && found->first <= 2 * size) {
        size = found->first, at = found->second;
        free_.erase(found);
    } else {
        if (size > kReserved - end_) return nullptr;
        at = end_;
        const size_t page = 4096, old = (end_ + page - 1) / page * page, now = (end_ + size + page - 1) / page * page;
        end_ += size;
        if (open_ && now > old) mprotect(base_ + old, now - old, PROT_READ | PROT_WRITE);
    }
    pieces_[at] = {size, bytes};
    used_ += bytes;
    const Opened opened(*this);
    std::memset(base_ + at, 0xa5, bytes);
    return base_ + at;
}

bool Memory::release(void * address) {
    const auto piece = pieces_.find(offset(address));
    if (piece == pieces_.end()) return false;
    used_ -= piece->second.bytes;
    free_.emplace(piece->second.size, piece->first);
    pieces_.erase(piece);
    last_end_ = 0;
    return true;
}

bool Memory::holds(const void * address, size_t bytes) {
    const size_t at = offset(address);
    if (at >= last_begin_ && at < last_end_ && bytes <= last_end_ - at) return true;
    const auto after = pieces_.upper_bound(at);
    if (after == pieces_.begin()) return false;
    const auto & [begin, piece] = *std::prev(after);
    if (at - begin >= piece.bytes || bytes > piece.bytes - (at - begin)) return false;
    last_begin_ = begin, last_end_ = begin + piece.bytes;
    return true;
}

}  // namespace ql::cuda::emu
