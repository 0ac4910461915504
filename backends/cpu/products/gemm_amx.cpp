// The bf16 product for AMX: the tile loop of amx_tiles.inl on the processor's own tile registers.
//
// Split of work: a unit is a group of 64 columns times 32 rows; a thread gets a contiguous range of them and decodes
// the groups in it, as in gemm.hpp. Memory traffic of 32 steps of 32 x 32 sums: 2 KB of A from L2 and 2 KB of B, from
// L1 up to a depth of 640, for 64 KFLOP.
//
// Measured on a Xeon with AMX, one thread, 2400 to 2900 GFLOP/s by tdpbf16ps alone, which is 16 cycles. A step's four
// products take 64, in which their loads want 64 bytes a cycle, all that an L2 can give: 1590 with both operands there,
// 2100 with B in L1 (depth 576, loops alone). Cutting a deeper product into blocks for L1, whose sums are stored and
// loaded again, gave 0.88 to 0.97 of not cutting it. Writing C between the units left 920 of the 1590.
#include "backends/cpu/products/amx_tiles.inl"
#include "backends/cpu/products/bf16.hpp"

namespace ql::cpu {

void gemm_amx(Pool & pool, const GemmBf16 & g, std::byte * scratch) {
    gemm_tiles<AmxTiles>(pool, g, scratch);
}

}  // namespace ql::cpu
