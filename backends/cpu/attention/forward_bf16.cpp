// Attention of many queries with products of bf16 in vdpbf16ps: forward_bf16.inl, which says how work is split and what
// is rounded, on tiles of 6 rows.
//
// Traffic: a task streams the packed K and V of its range once, 16 KB for 1.6 MFLOP at d = 64 and 96 rows; scores stay
//   in registers, probabilities of a tile of 6 rows x 64 keys in L1.
// Constants: d 64, H 9/3, causal, Zen 5, one thread, of vdpbf16ps' peak, measured before and after each run: kRows 48,
//   96, 192, 384 give .733, .732, .731, .731 at T 512 and .78, .78, .78, .79 at 2048; the f32 kernel .285 and .31. A
//   tile of values alone runs at .96, one of scores with all that makes them probabilities at .81. Computing a tile's
//   values behind the scores of the next made nothing faster.
#include "backends/cpu/attention/bf16.hpp"
#include "backends/cpu/attention/forward_bf16.inl"
#include "backends/cpu/attention/score_tile_bf16.inl"

namespace ql::cpu {

size_t attention_blocks_bf16_scratch(const AttentionShape & s, int threads) {
    return forward_scratch<VectorScores>(s, threads);
}
bool attention_blocks_bf16(const Launch & l) {
    return forward<VectorScores>(l);
}

}  // namespace ql::cpu
