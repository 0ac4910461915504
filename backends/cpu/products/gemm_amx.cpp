// The bf16 product for AMX: the tile loop of amx_tiles.inl on the processor's own tile registers.
//
// Split of work: a unit is a group of 64 columns times 32 rows; a thread gets a contiguous range of them and decodes
// the groups in it, as in gemm.hpp. Memory traffic of 32 steps of 32 x 32 sums: 2 KB of A and 2 KB of B, both from L2,
// for 64 KFLOP.
//
// The blocking is argued, not measured: what was measured, on a Xeon with AMX, is 2900 GFLOP/s on a core by tdpbf16ps
// alone, which is 16 cycles each, and 1060 by a product that took NF4 panels of 32 columns past 512 tokens of 2048. The
// four products of a step take 64 cycles, in which their four loads want 64 bytes a cycle, all that an L2 can give: so
// L2 is the expected limit, and 1 x 4 tiles, with five loads, would be worse. A of that product, 2 MB, did not stay in
// L2 and was read again for every 32 columns; here for every 64, and 512 tokens of 1536 stay. B, of 64 columns by
// 2048 steps, is as large as vdpbf16ps's: smaller blocks, for L1, would store and add the sums more often - every 256
// steps that is four loads and four stores of tiles beside 32 products.
#include "backends/cpu/products/amx_tiles.inl"
#include "backends/cpu/products/bf16.hpp"

namespace ql::cpu {

void gemm_amx(Pool & pool, const GemmBf16 & g, std::byte * scratch) {
    gemm_tiles<AmxTiles>(pool, g, scratch);
}

}  // namespace ql::cpu
