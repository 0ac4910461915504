// Gradients' products in vdpbf16ps: tiles of 6 rows, whose scores and their gradients stay in registers until they are
// in the layouts that the products after them read. Included like tile_bf16.inl.
#pragma once
#include "backends/cpu/attention/gradient_job_bf16.inl"
#include "backends/cpu/attention/tile_bf16.inl"

namespace ql::cpu {
namespace {

/// A thread's buffers.
struct VectorWork : GradientWork {
    uint32_t *q, *d_o;  // [kSubRows / 2][width]: q and do, pairs along the rows
    float * exact;      // [kTileRows][kKeyBlock]: scale times a tile's probabilities before they are rounded
    float **dk, **dv;   // [kKeyBlock]: rows of results

    VectorWork(Carver & carve, const AttentionShape & s) : GradientWork(carve, s, kTileRows) {
        for (uint32_t ** to : {&q, &d_o}) *to = carve.take<uint32_t>(kSubRows / 2 * s.width());
        exact = carve.take<float>(kTileRows * kKeyBlock);
        dk = carve.take<float *>(kKeyBlock);
        dv = carve.take<float *>(kKeyBlock);
    }
};

/// kEdge: not all rows see all keys of the V vectors.
template <int V, bool kEdge>
[[gnu::noipa]] void score_gradients(const GradientTile & t, float * exact_rows) {
    uint64_t mask[kTileRows];
    if constexpr (kEdge)
        for (int r = 0; r < kTileRows; ++r) mask[r] = seen_keys(t.begin[r], t.end[r], t.first);
    Scores<kTileRows, V> x;
    find_scores<kTileRows, V>(x, t.scale * kLog2E, t.base, {t.q, t.q_pairs, 1}, {t.keys + t.first, kKeyBlock, t.depth});
    const __m512 scale = _mm512_set1_ps(t.scale);
    float * exact = exact_rows;
#pragma GCC unroll 6
    for (int r = 0; r < kTileRows; ++r, exact += kKeyBlock)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            x[r][v] = vexp2(x[r][v]);
            if constexpr (kEdge) x[r][v] = keep(mask[r], v, x[r][v]);
            _mm512_store_ps(exact + v * kLanes, _mm512_mul_ps(x[r][v], scale));
        }
    store_pairs<kTileRows, V, kEdge>(x, t.p, t.first);

    add_to_start<kTileRows, V>(x, t.delta, {t.d_o, t.q_pairs, 1}, {t.values + t.first, kKeyBlock, t.depth});
    exact = exact_rows;
    uint32_t * to = t.ds_rows;
#pragma GCC unroll 6
    for (int r = 0; r < kTileRows; ++r, exact += kKeyBlock, to += kKeyBlock / 2) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            x[r][v] = _mm512_mul_ps(x[r][v], _mm512_load_ps(exact + v * kLanes));
            if constexpr (kEdge) x[r][v] = keep(mask[r], v, x[r][v]);
        }
        store_rounded(x[r], to);
    }
    store_pairs<kTileRows, V, kEdge>(x, t.ds, t.first);
}

using ScoreGradients = void (*)(const GradientTile &, float *);
constexpr ScoreGradients kEdgeGradients[kTileVectors] = {score_gradients<1, true>, score_gradients<2, true>,
                                                         score_gradients<3, true>, score_gradients<4, true>};

/// Makes q and do of a tile's rows right operands, and asks for those of the tile after the next.
template <typename UnitJob>
void interleave_tile(const UnitJob & job, const VectorWork & w, const GradientTile & t) {
    const int32_t n = kTileRows * job.q_pairs;
    fetch(t.q + 2 * n, n);
    fetch(t.d_o + 2 * n, n);
    for (int32_t r = 0; r < kTileRows; r += 2) {
        const int32_t from = r * job.q_pairs, to = (t.row + r) / 2 * job.width;
        interleave_rows(t.q + from, t.q + from + job.q_pairs, job.width, w.q + to);
        interleave_rows(t.d_o + from, t.d_o + from + job.q_pairs, job.width, w.d_o + to);
    }
}

/// Adds ds K to dq of a tile's rows.
template <typename UnitJob>
void add_dq(const UnitJob & job, const GradientTile & t) {
    const int32_t first = t.lo / 2, depth = (t.hi + 1) / 2 - first;
    multiply<kTileRows>({t.ds_rows + (t.lo - t.first) / 2, kKeyBlock / 2, 1},
                        {t.key_rows + first * job.width, job.width, depth}, t.dq, job.s.d);
}

/// Adds n rows to dk and dv of keys [j, j + kKeys).
template <int kKeys, typename UnitJob>
void add_keys(const UnitJob & job, const VectorWork & w, int32_t n, int32_t j) {
    int32_t r0 = 0, r1 = n;
    while (r0 < r1 && (w.begin[r0] >= j + kKeys || w.end[r0] <= j)) ++r0;
    while (r0 < r1 && (w.begin[r1 - 1] >= j + kKeys || w.end[r1 - 1] <= j)) --r1;
    if (r0 >= r1) return;
    const int32_t first = r0 / 2, depth = (r1 + 1) / 2 - first;
    const int32_t from = first * job.width;
    multiply<kKeys>({w.p + first * kKeyBlock + j, 1, kKeyBlock}, {w.d_o + from, job.width, depth}, w.dv + j, job.s.d);
    multiply<kKeys>({w.ds + first * kKeyBlock + j, 1, kKeyBlock}, {w.q + from, job.width, depth}, w.dk + j, job.s.d);
}

/// The unit that multiplies in backward_bf16.inl. dk and dv grow where they lie.
struct VectorGradients {
    static constexpr int32_t kRows = kTileRows;  // of a tile
    static constexpr int32_t kFirst = kLanes;    // a tile's keys begin at a multiple of this
    static constexpr int64_t kDepth = 1;         // pairs along d come in multiples of this
    using Buffers = VectorWork;
    using UnitJob = GradientJob<VectorGradients>;

    /// Empty: this unit packs nothing more.
    struct Panels {
        Panels(Carver &, const UnitJob &) {}
    };
    static void pack_queries(const UnitJob &, int64_t) {}
    static void finish(const UnitJob &, Pool &) {}

    /// Zeros dk and dv of a block of keys.
    static void clear_keys(const UnitJob & job, int64_t, int64_t at, int64_t n) {
        const AttentionShape & s = job.s;
        for (int64_t j = 0; j < n; ++j)
            for (float * to : {job.dk, job.dv})
                __builtin_memset(to + at + j * s.key_stride(), 0, static_cast<size_t>(s.d) * sizeof(*to));
    }

    void start_pair(const UnitJob & job, const Buffers & w, int64_t key_block, int64_t kv) {
        const AttentionShape & s = job.s;
        const int64_t base = key_block * kKeyBlock;
        for (int64_t j = 0; j < kKeyBlock; ++j) {
            const bool real = base + j < s.n_keys;
            w.dk[j] = real ? job.dk + s.key(base + j, kv) : w.spare;
            w.dv[j] = real ? job.dv + s.key(base + j, kv) : w.spare;
        }
    }

    /// A tile without keys.
    void skip(const UnitJob & job, const Buffers & w, const GradientTile & t) {
        for (uint32_t * p : {w.q, w.d_o})
            __builtin_memset(p + t.row / 2 * job.width, 0, static_cast<size_t>(kTileRows / 2 * job.width) * sizeof(*p));
    }

    /// Computes the probabilities of a tile, the gradients of its scores, and dq.
    void score(const UnitJob & job, const Buffers & w, const GradientTile & t) {
        interleave_tile(job, w, t);
        t.all ? score_gradients<kTileVectors, false>(t, w.exact) : kEdgeGradients[t.vectors() - 1](t, w.exact);
        add_dq(job, t);
    }

    /// Adds the n rows in the buffers to dk and dv of a block.
    void add_keys(const UnitJob & job, const Buffers & w, int64_t, int64_t, int64_t, int32_t n) {
        int32_t j = 0;
        for (; j + kTileRows <= kKeyBlock; j += kTileRows) cpu::add_keys<kTileRows>(job, w, n, j);
        cpu::add_keys<kKeyBlock % kTileRows>(job, w, n, j);
    }
};

}  // namespace
}  // namespace ql::cpu
