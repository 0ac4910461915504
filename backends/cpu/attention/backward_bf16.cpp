// The gradients of attention with products of bf16 in vdpbf16ps, in one sweep: backward_bf16.inl, which says how work
// is split and what is rounded, on tiles of 6 rows.
//
// Traffic: a pair reads q and do of its rows (256 bytes a row at d = 64) and K both ways and V of its keys (24 KB), and
//   adds to dq, dk and dv where they lie; what is kept of kSubRows rows between a pair's two halves is 48 KB in L2.
// Constants: d 64, H 9/3, causal, Zen 5, one thread, of vdpbf16ps' peak, measured before and after each run: kSubRows
//   48, 96, 192 give .77, .76, .76 at T 512 and .76, .77, .76 at 2048; the f32 kernel .33 and .30. Squares of 1, 2, 4
//   blocks: .762, .768, .772 at T 2048, .741 and .784 for 1 and 4 at 4096. A tile of 6 rows x 64 keys with its three
//   products runs at .90, the products for dk and dv at .98. Reading q and do a second time as right operands from
//   memory, rather than interleaving them where they are at hand, cost 5 % at T 512. Neither powers of two between the
//   steps of the second product nor a tile's dq behind the scores of the next made anything faster.
#include "backends/cpu/attention/bf16.hpp"
#include "backends/cpu/attention/backward_bf16.inl"
#include "backends/cpu/attention/gradient_tile_bf16.inl"

namespace ql::cpu {

size_t attention_gradients_bf16_scratch(const AttentionShape & s, int threads) {
    return gradients_scratch<VectorGradients>(s, threads);
}
bool attention_gradients_bf16(const Launch & l) {
    return gradients<VectorGradients>(l);
}

}  // namespace ql::cpu
