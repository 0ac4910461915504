// The gradients of attention with products of bf16 on AMX tiles, in one sweep: backward_bf16.inl, which says how work
// is split and what is rounded, on tiles of 32 rows. tdpbf16ps takes denormals for zero, and sums in its own order.
//
// Traffic: of a pair, 32 rows at a time read q and do (8 KB at d = 64), K both ways and V of the keys (24 KB), and add
//   to dq where it lies; products, P, dS and dq's sums are 36 KB. P and dS of 96 rows are kept (24 KB) until dk and dv
//   take them in, as transposes in scratch that are written out once, at the end.
// Constants: 32 rows as in forward_amx.cpp. 96 rows (kSubRows) are three steps for each load and store of dk's and dv's
//   sums; 192 would halve these, a twentieth of the estimate, but P, dS, q and do would leave L1.
// Estimate, as in forward_amx.cpp from counts and no measurement: 48,576 products where 46,170 would do, 55,296 tile
//   loads, 21,312 stores; at 16, 8 and 16 cycles 777, 442 and 341 thousand. 76,800 vectors of scores take 740 thousand,
//   9.6 each; adding to dq and transposing q, do, dk and dv some 290 thousand. If only the loads are hidden: 2.15
//   million, .34 of the tiles' peak. With the forward pass a layer takes 3.05 million, 30 layers on 2 cores 46 million.
#include "backends/cpu/attention/bf16.hpp"
#include "backends/cpu/attention/backward_bf16.inl"
#include "backends/cpu/attention/gradient_tile_amx.inl"

namespace ql::cpu {

size_t attention_gradients_amx_scratch(const AttentionShape & s, int threads) {
    return gradients_scratch<TileGradients<AmxTiles>>(s, threads);
}
bool attention_gradients_amx(const Launch & l) {
    return gradients<TileGradients<AmxTiles>>(l);
}

}  // namespace ql::cpu
