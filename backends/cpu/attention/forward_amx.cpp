// Attention of many queries with products of bf16 on AMX tiles: forward_bf16.inl, which says how work is split and what
// is rounded, on tiles of 32 rows. tdpbf16ps takes denormals for zero and sums in an order of its own.
//
// Traffic: a task streams the packed K and V of its range once, 16 KB for 1.6 MFLOP at d = 64 and 96 rows. A tile's
//   products with 64 keys go through 8 KB to the vector registers and come back as 4 KB of probabilities; with q and o
//   of its rows and the block of K and V that is 40 KB, which L1 (48 KB) holds.
// Constants: 32 rows are 2 x 2 tiles of sums, four products for four tile loads. With 64 keys o's sums are loaded and
//   stored once for 16 products; 128 would halve that, but not stay in L1.
// Estimate, from counts (tests/cpu/amx_attention_test.cpp) and no measurement, as no such processor was at hand: d 64,
//   H 9/3, T 512, causal: 19,392 products where 18,468 would do, 24,672 tile loads, 9,984 stores. At 16, 8 and 16
//   cycles these are 310, 197 and 160 thousand; loads may run beside products. 76,800 vectors of scores take 430
//   thousand by llvm-mca's model of Sapphire Rapids, 5.6 each. If only the loads are hidden: 900 thousand, .33 of the
//   tiles' peak.
#include "backends/cpu/attention/bf16.hpp"
#include "backends/cpu/attention/forward_bf16.inl"
#include "backends/cpu/attention/score_tile_amx.inl"

namespace ql::cpu {

size_t attention_blocks_amx_scratch(const AttentionShape & s, int threads) {
    return forward_scratch<TileScores<AmxTiles>>(s, threads);
}
bool attention_blocks_amx(const Launch & l) {
    return forward<TileScores<AmxTiles>>(l);
}

}  // namespace ql::cpu
