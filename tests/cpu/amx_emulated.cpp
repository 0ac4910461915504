// The AMX product on emulated tiles.
#include "cpu/amx_emulated.hpp"

#if defined(__AVX512BF16__)
#include "backends/cpu/products/amx_tiles.inl"
#include "cpu/amx_emulated.inl"

namespace ql::cpu {
void gemm_emulated(Pool & pool, const GemmBf16 & g, std::byte * scratch) {
    gemm_tiles<EmulatedTiles>(pool, g, scratch);
}
}  // namespace ql::cpu

#else

namespace ql::cpu {
void gemm_emulated(Pool &, const GemmBf16 &, std::byte *) {}
}  // namespace ql::cpu
#endif
