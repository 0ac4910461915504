// Attention's products on tile registers: 32 rows at a time, whose scores go through memory to the vector registers.
// Included like tiles_amx.inl.
#pragma once
#include "backends/cpu/attention/probabilities_bf16.inl"
#include "backends/cpu/attention/tiles_amx.inl"

namespace ql::cpu {
namespace {

/// Products of a tile's rows and keys, which w.products holds, become probabilities. kEdge: not all rows see all keys
/// of the V vectors.
template <int V, bool kEdge>
[[gnu::noinline]] void score_products(const ForwardWorkBf16 & w, const TileKeys & t) {
    constexpr int kAtOnce = 4;  // rows: 16 registers
    const float * from = w.products;
    for (int32_t r = 0; r < kUnitRows; r += kAtOnce) {
        Scores<kAtOnce, V> x;
#pragma GCC unroll 4
        for (int i = 0; i < kAtOnce; ++i, from += kKeyBlock)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) x[i][v] = _mm512_load_ps(from + v * kLanes);
        make_relative<kAtOnce, V>(x, w.to_log2, w.base + t.row + r);
        add_probabilities<kAtOnce, V, kEdge>(x, w, t, r);
    }
}

using ScoreProductsKernel = void (*)(const ForwardWorkBf16 &, const TileKeys &);
constexpr ScoreProductsKernel kEdgeProducts[] = {score_products<1, true>, score_products<2, true>,
                                                 score_products<3, true>, score_products<4, true>};

/// The unit that multiplies in forward_bf16.inl.
template <typename Tiles>
class TileScores {
  public:
    static constexpr auto kRows = static_cast<int32_t>(kUnitRows);
    static constexpr auto kFirst = static_cast<int32_t>(kTileSteps);  // P's rows are read in whole steps
    static constexpr int64_t kDepth = kTilePairs;
    static constexpr bool kStoresProducts = true;

    TileScores() { tiles_.configure(TileShapes(kUnitRows)); }
    ~TileScores() { tiles_.release(); }
    TileScores(const TileScores &) = delete;
    TileScores & operator=(const TileScores &) = delete;

    void score(const ForwardWorkBf16 & w, const TileKeys & t) {
        const int32_t vectors = t.vectors();
        multiply<false>(tiles_, {w.q + int64_t{t.row} * w.q_pairs, w.q_pairs},
                        {t.keys + t.first, kKeyBlock, w.q_pairs / kTilePairs}, {w.products, kKeyBlock}, 2, vectors);
        t.all_see_all() ? score_products<4, false>(w, t) : kEdgeProducts[vectors - 1](w, t);
    }
    void add_values(const ForwardWorkBf16 & w, const TileKeys & t) {
        const int64_t steps = ceil_div(t.hi - t.first, kTileSteps);
        multiply<true>(tiles_, {w.p, kKeyBlock / 2}, {t.values + t.first / 2 * w.width, w.width, steps},
                       {w.o + int64_t{t.row} * w.width, w.width}, 2, w.width / kTileColumns);
    }

  private:
    Tiles tiles_;
};

}  // namespace
}  // namespace ql::cpu
