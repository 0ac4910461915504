// Gradients' products on tile registers, 32 rows at a time.
//
// Products of rows and keys go through memory to the vector registers, which leave P and dS there in three layouts:
// pairs along the keys are a left operand (dq += dS K), pairs along the rows a right one. So dk and dv grow as their
// transposes, [d][keys] += (q^T or do^T) (dS or P), whose left operands are packed once a launch: transposing P and dS
// instead would take as long as two fifths of all products. dq's rows lie apart, so their sums come from zero.
//
// Included like tiles_amx.inl.
#pragma once
#include "backends/cpu/attention/gradient_job_bf16.inl"
#include "backends/cpu/attention/tiles_amx.inl"

namespace ql::cpu {
namespace {

/// A thread's buffers.
struct TileWork : GradientWork {
    float *products, *d_products;  // [kUnitRows][kKeyBlock]: of rows of q and do with keys and values
    float * dq_sums;               // [kUnitRows][width]
    int32_t *lo, *hi;              // [kSubRows / kUnitRows]: keys that a tile sees; none: lo = kKeyBlock, hi = 0

    TileWork(Carver & carve, const AttentionShape & s) : GradientWork(carve, s, kUnitRows) {
        for (float ** to : {&products, &d_products}) *to = carve.take<float>(kUnitRows * kKeyBlock);
        dq_sums = carve.take<float>(kUnitRows * s.width());
        for (int32_t ** to : {&lo, &hi}) *to = carve.take<int32_t>(kSubRows / kUnitRows);
    }
};

/// P and dS of a tile from its products. kEdge: not all rows see all keys of the V vectors.
template <int V, bool kEdge>
[[gnu::noinline]] void find_gradients(const GradientTile & t, const float * products, const float * d_products) {
    constexpr int kAtOnce = 4;  // rows: 16 registers
    const __m512 scale = _mm512_set1_ps(t.scale);
    for (int r = 0; r < kUnitRows; r += kAtOnce) {
        uint64_t mask[kAtOnce];
        Scores<kAtOnce, V> x;
#pragma GCC unroll 4
        for (int i = 0; i < kAtOnce; ++i) {
            mask[i] = kEdge ? seen_keys(t.begin[r + i], t.end[r + i], t.first) : ~uint64_t{0};
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) x[i][v] = _mm512_load_ps(products + (r + i) * kKeyBlock + v * kLanes);
        }
        make_relative<kAtOnce, V>(x, t.scale * kLog2E, t.base + r);
#pragma GCC unroll 4
        for (int i = 0; i < kAtOnce; ++i)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                x[i][v] = vexp2(x[i][v]);
                if constexpr (kEdge) x[i][v] = keep(mask[i], v, x[i][v]);
            }
        store_pairs<kAtOnce, V, kEdge>(x, t.p + r / 2 * kKeyBlock, t.first);
#pragma GCC unroll 4
        for (int i = 0; i < kAtOnce; ++i) {
            const __m512 delta = _mm512_set1_ps(t.delta[r + i]);
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                const __m512 dp = _mm512_load_ps(d_products + (r + i) * kKeyBlock + v * kLanes);
                x[i][v] = _mm512_mul_ps(_mm512_add_ps(dp, delta), _mm512_mul_ps(x[i][v], scale));
                if constexpr (kEdge) x[i][v] = keep(mask[i], v, x[i][v]);
            }
            store_rounded(x[i], t.ds_rows + (r + i) * kKeyBlock / 2);
        }
        store_pairs<kAtOnce, V, kEdge>(x, t.ds + r / 2 * kKeyBlock, t.first);
    }
}

using FindGradients = void (*)(const GradientTile &, const float *, const float *);
constexpr FindGradients kEdgeGradients[] = {find_gradients<1, true>, find_gradients<2, true>, find_gradients<3, true>,
                                            find_gradients<4, true>};

/// Transposes of q and do, as left operands, and of dk and dv.
struct TilePanels {
    uint32_t *q, *d_o;  // by key's head and block of queries: [width][row_pairs]
    float *dk, *dv;     // by key's head and block of keys: [width][kKeyBlock]
    int64_t row_pairs;  // of a block of queries

    template <typename UnitJob>
    TilePanels(Carver & carve, const UnitJob & job) : row_pairs(job.block_rows() / 2) {
        const AttentionShape & s = job.s;
        for (uint32_t ** to : {&q, &d_o})
            *to = carve.take<uint32_t>(s.n_kv * job.query_blocks() * job.width * row_pairs);
        for (float ** to : {&dk, &dv}) *to = carve.take<float>(s.n_kv * s.key_blocks() * job.width * kKeyBlock);
    }
};

/// Rows of pairs along d, a multiple of 32 rows, as rows of pairs along the rows: to[i * stride + r / 2].
inline void transpose_rows(const uint32_t * from, int64_t q_pairs, int64_t rows, int64_t width, uint32_t * to,
                           int64_t stride) {
    for (int64_t r = 0; r < rows; r += kTileSteps)
        for (int64_t i = 0; i < width; i += 2 * kLanes) {
            __m512i low[16], high[16];
            const uint32_t * row = from + r * q_pairs + i / 2;
#pragma GCC unroll 16
            for (int k = 0; k < 16; ++k, row += 2 * q_pairs) {
                const Pairs pairs = interleave(_mm512_load_si512(row), _mm512_load_si512(row + q_pairs));
                low[k] = pairs.low, high[k] = pairs.high;
            }
            const auto store = [&](__m512i(&x)[16], uint32_t * at) {
                transpose(x);
#pragma GCC unroll 16
                for (int k = 0; k < 16; ++k) _mm512_store_si512(at + k * stride, x[k]);
            };
            store(low, to + i * stride + r / 2);
            if (i + kLanes < width) store(high, to + (i + kLanes) * stride + r / 2);
        }
}

/// Rows [0, keys) of n numbers from the transpose [width][kKeyBlock].
inline void write_transpose(const float * from, int64_t keys, int64_t n, float * to, int64_t stride) {
    for (int64_t j = 0; j < keys; j += kLanes)
        for (int64_t i = 0; i < n; i += kLanes) {
            __m512i x[16];
#pragma GCC unroll 16
            for (int k = 0; k < 16; ++k) x[k] = _mm512_load_si512(from + (i + k) * kKeyBlock + j);
            transpose(x);
#pragma GCC unroll 16
            for (int k = 0; k < 16; ++k)
                if (j + k < keys) store((__m512)x[k], to + (j + k) * stride + i, n - i);
        }
}

/// The unit that multiplies in backward_bf16.inl.
template <typename Tiles>
class TileGradients {
  public:
    static constexpr auto kRows = static_cast<int32_t>(kUnitRows);
    static constexpr auto kFirst = static_cast<int32_t>(kTileSteps);  // dS's rows are read in whole steps
    static constexpr int64_t kDepth = kTilePairs;
    using Buffers = TileWork;
    using UnitJob = GradientJob<TileGradients>;
    using Panels = TilePanels;

    TileGradients() { tiles_.configure(TileShapes(kUnitRows)); }
    ~TileGradients() { tiles_.release(); }
    TileGradients(const TileGradients &) = delete;
    TileGradients & operator=(const TileGradients &) = delete;

    static void pack_queries(const UnitJob & job, int64_t task) {
        const int64_t rows = job.rows_of(task % job.query_blocks()), from = task * job.block_rows() * job.q_pairs,
                      stride = job.panels.row_pairs, to = task * job.width * stride;
        transpose_rows(job.queries + from, job.q_pairs, rows, job.width, job.panels.q + to, stride);
        transpose_rows(job.d_out + from, job.q_pairs, rows, job.width, job.panels.d_o + to, stride);
    }
    static void clear_keys(const UnitJob & job, int64_t task, int64_t, int64_t) {
        const int64_t n = job.width * kKeyBlock;
        for (float * to : {job.panels.dk, job.panels.dv})
            __builtin_memset(to + task * n, 0, static_cast<size_t>(n) * sizeof(*to));
    }
    static void finish(const UnitJob & job, Pool & pool) {
        const AttentionShape & s = job.s;
        pool.run(s.n_kv * s.key_blocks(), [&](int64_t task, int) {
            const int64_t first = task % s.key_blocks() * kKeyBlock, keys = smaller(kKeyBlock, s.n_keys - first),
                          at = s.key(first, task / s.key_blocks()), from = task * job.width * kKeyBlock;
            write_transpose(job.panels.dk + from, keys, s.d, job.dk + at, s.key_stride());
            write_transpose(job.panels.dv + from, keys, s.d, job.dv + at, s.key_stride());
        });
    }

    void start_pair(const UnitJob &, const Buffers &, int64_t, int64_t) {}
    void skip(const UnitJob &, const Buffers & w, const GradientTile & t) {
        w.lo[t.row / kRows] = static_cast<int32_t>(kKeyBlock), w.hi[t.row / kRows] = 0;
    }

    void score(const UnitJob & job, const Buffers & w, const GradientTile & t) {
        w.lo[t.row / kRows] = t.lo, w.hi[t.row / kRows] = t.hi;
        const int64_t steps = job.q_pairs / kTilePairs, vectors = t.vectors();
        multiply<false>(tiles_, {t.q, t.q_pairs}, {t.keys + t.first, kKeyBlock, steps}, {w.products, kKeyBlock}, 2,
                        vectors);
        multiply<false>(tiles_, {t.d_o, t.q_pairs}, {t.values + t.first, kKeyBlock, steps}, {w.d_products, kKeyBlock},
                        2, vectors);
        const auto find = t.all ? find_gradients<4, false> : kEdgeGradients[vectors - 1];
        find(t, w.products, w.d_products);
        add_dq(job, w, t);
    }

    /// Adds rows [row, row + n) of a block of queries, which are in the buffers, to dk and dv of a block of keys.
    void add_keys(const UnitJob & job, const Buffers & w, int64_t key_block, int64_t query_block, int64_t row,
                  int32_t n) {
        const TilePanels & panels = job.panels;
        const int64_t to = key_block * job.width * kKeyBlock, pairs = panels.row_pairs,
                      from = query_block * job.width * pairs + row / 2;
        for (int64_t j = 0; j < kKeyBlock; j += 2 * kTileColumns) {
            const auto sees = [&](int64_t i) { return w.lo[i] < j + 2 * kTileColumns && w.hi[i] > j; };
            int64_t first = 0, last = n / kUnitRows;
            while (first < last && !sees(first)) ++first;
            while (first < last && !sees(last - 1)) --last;
            if (first == last) continue;
            const int64_t step = first * kTilePairs, at = step * kKeyBlock + j, tiles = job.width / kTileRows;
            multiply<true>(tiles_, {panels.d_o + from + step, pairs}, {w.p + at, kKeyBlock, last - first},
                           {panels.dv + to + j, kKeyBlock}, tiles, 2);
            multiply<true>(tiles_, {panels.q + from + step, pairs}, {w.ds + at, kKeyBlock, last - first},
                           {panels.dk + to + j, kKeyBlock}, tiles, 2);
        }
    }

  private:
    void add_dq(const UnitJob & job, const Buffers & w, const GradientTile & t) {
        const int64_t width = job.width, d = job.s.d;
        multiply<false>(tiles_, {t.ds_rows, kKeyBlock / 2},
                        {t.key_rows + t.first / 2 * width, width, ceil_div(t.hi - t.first, kTileSteps)},
                        {w.dq_sums, width}, 2, width / kTileColumns);
        for (int64_t r = 0; r < kUnitRows; ++r)
            for (int64_t i = 0; i < d && t.begin[r] < t.end[r]; i += kLanes)
                store(_mm512_add_ps(load_f32(t.dq[r] + i, d - i), _mm512_load_ps(w.dq_sums + r * width + i)),
                      t.dq[r] + i, d - i);
    }

    Tiles tiles_;
};

}  // namespace
}  // namespace ql::cpu
