// Attention's products in vdpbf16ps: tiles of 6 rows, whose scores stay in registers until they are probabilities.
// Included like tile_bf16.inl.
#pragma once
#include "backends/cpu/attention/probabilities_bf16.inl"
#include "backends/cpu/attention/tile_bf16.inl"

namespace ql::cpu {
namespace {

/// kEdge: not all rows see all keys of the V vectors.
template <int V, bool kEdge>
[[gnu::noipa]] void score_tile(const ForwardWorkBf16 & w, const TileKeys & t) {
    Scores<kTileRows, V> x;
    find_scores<kTileRows, V>(x, w.to_log2, w.base + t.row, {w.q + int64_t{t.row} * w.q_pairs, w.q_pairs, 1},
                              {t.keys + t.first, kKeyBlock, w.depth});
    add_probabilities<kTileRows, V, kEdge>(x, w, t, 0);
}

using ScoreKernel = void (*)(const ForwardWorkBf16 &, const TileKeys &);
constexpr ScoreKernel kEdgeTiles[kTileVectors] = {score_tile<1, true>, score_tile<2, true>, score_tile<3, true>,
                                                  score_tile<4, true>};

/// The unit that multiplies in forward_bf16.inl.
struct VectorScores {
    static constexpr int32_t kRows = kTileRows;     // of a tile
    static constexpr int32_t kFirst = kLanes;       // a tile's keys begin at a multiple of this
    static constexpr int64_t kDepth = 1;            // pairs along d come in multiples of this
    static constexpr bool kStoresProducts = false;  // in w.products

    /// Probabilities of a tile: p and their sums.
    void score(const ForwardWorkBf16 & w, const TileKeys & t) {
        t.all_see_all() ? score_tile<kTileVectors, false>(w, t) : kEdgeTiles[t.vectors() - 1](w, t);
    }
    /// Adds a tile's probabilities times values to o of its rows.
    void add_values(const ForwardWorkBf16 & w, const TileKeys & t) {
        const int32_t first = t.lo / 2, depth = (t.hi + 1) / 2 - first;
        multiply<kTileRows>({w.p + (t.lo - t.first) / 2, kKeyBlock / 2, 1},
                            {t.values + first * w.width, w.width, depth}, w.o_rows + t.row, w.width);
    }
};

}  // namespace
}  // namespace ql::cpu
