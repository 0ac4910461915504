// Memory aligned to 64 bytes, as planar types need it; pages of memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace ql {

constexpr uint64_t kPageBytes = 4096;  // the least of the systems

struct AlignedFree {
    void operator()(std::byte * p) const { ::operator delete[](p, std::align_val_t(64)); }
};
using AlignedBytes = std::unique_ptr<std::byte[], AlignedFree>;

/// Null where there is no memory.
inline AlignedBytes aligned_bytes(size_t n) {
    return AlignedBytes(static_cast<std::byte *>(::operator new[](n ? n : 1, std::align_val_t(64), std::nothrow)));
}

}  // namespace ql
