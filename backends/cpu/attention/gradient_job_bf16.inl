// What a launch of attention's gradients in bf16 works on, for either unit that multiplies: operands packed by blocks
// of keys and of queries, and each thread's buffers. Included like scores_bf16.inl.
#pragma once
#include "backends/cpu/attention/scores_bf16.inl"
#include "backends/cpu/stream.hpp"

namespace ql::cpu {
namespace {

/// Queries of a block: as many as keys, so that causal pairs are halves of squares.
constexpr int64_t kQueryBlock = kKeyBlock;
/// Rows whose probabilities are kept before dk and dv take them in: a multiple of either unit's tile.
constexpr int64_t kSubRows = 96;

/// A thread's buffers that both units have. Tiles of rows.
struct GradientWork {
    uint32_t *p, *ds;      // [kSubRows / 2][kKeyBlock]: probabilities and scores' gradients, pairs along the rows
    uint32_t * ds_rows;    // [tile_rows][kKeyBlock / 2]: of a tile, pairs along the keys, from the first on
    float * spare;         // [width]: what rows and keys that are not there add to
    float ** dq;           // [kSubRows]: rows of results
    int32_t *begin, *end;  // [kSubRows]: a row's keys within the block; if none, begin = kKeyBlock, end = 0

    GradientWork(Carver & carve, const AttentionShape & s, int64_t tile_rows) {
        for (uint32_t ** to : {&p, &ds}) *to = carve.take<uint32_t>(kSubRows / 2 * kKeyBlock);
        ds_rows = carve.take<uint32_t>(tile_rows * kKeyBlock / 2);
        spare = carve.take<float>(s.width());
        dq = carve.take<float *>(kSubRows);
        begin = carve.take<int32_t>(kSubRows);
        end = carve.take<int32_t>(kSubRows);
    }
};

/// A tile of rows with a block of keys.
struct GradientTile {
    int32_t row;                    // of those in the buffers
    const uint32_t *q, *d_o;        // [rows][q_pairs]: pairs along d
    const uint32_t *keys, *values;  // [depth][kKeyBlock]
    const uint32_t * key_rows;      // [kKeyBlock / 2][width]: pairs along the keys
    int32_t q_pairs, depth;
    float scale;
    const float *base, *delta;   // [rows]: lse to base 2 and do . o, both negated
    const int32_t *begin, *end;  // [rows]: a row's keys within the block
    int32_t first, lo, hi;       // keys that any row sees: in whole vectors from `first`, in pairs from lo
    bool all;                    // all rows see the whole block
    uint32_t *p, *ds;            // [rows / 2][kKeyBlock]: results, pairs along the rows
    uint32_t * ds_rows;          // [rows][kKeyBlock / 2]: pairs along the keys, from `first` on
    float * const * dq;          // [rows]

    int32_t vectors() const { return (hi - first + kLanes - 1) / kLanes; }
};

template <typename Unit>
struct GradientJob {
    AttentionShape s;
    int32_t depth, q_pairs, width;  // of keys' and values' blocks, of queries, of d
    StreamIn q, k, v, o, d_o;
    const float * lse;
    const int32_t * span;
    float *dq, *dk, *dv;
    // By key's head and block of keys: pairs along d of K and V, [depth][kKeyBlock]; pairs along the keys of K,
    // [kKeyBlock / 2][width]; whether these, and what the block of queries of the same number has, are finite.
    uint32_t *keys, *values, *key_rows;
    uint8_t *key_finite, *query_finite;
    // By key's head, block of queries and row: pairs along d of q and of do, [q_pairs]; lse to base 2 and do . o, both
    // negated.
    uint32_t *queries, *d_out;
    float *base, *delta;
    int32_t *lowest, *highest;  // by block of queries: union of the ranges
    int32_t * wave;             // squares of a wave
    PerThread<typename Unit::Buffers> work;
    typename Unit::Panels panels;  // what the unit packs beside these

    GradientJob(const AttentionShape & shape, Carver & carve, int threads)
        : s(shape),
          depth(static_cast<int32_t>(ceil_div(ceil_div(s.d, 2), Unit::kDepth) * Unit::kDepth)),
          q_pairs(static_cast<int32_t>(padded(depth))),
          width(static_cast<int32_t>(s.width())),
          work(carve, threads, s),
          panels(carve, *this) {
        const int64_t blocks = s.n_kv * s.key_blocks(), rows = s.n_kv * query_blocks() * block_rows();
        for (uint32_t ** to : {&keys, &values}) *to = carve.take<uint32_t>(blocks * depth * kKeyBlock);
        key_rows = carve.take<uint32_t>(blocks * kKeyBlock / 2 * width);
        key_finite = carve.take<uint8_t>(blocks);
        query_finite = carve.take<uint8_t>(s.n_kv * query_blocks());
        for (uint32_t ** to : {&queries, &d_out}) *to = carve.take<uint32_t>(rows * q_pairs);
        for (float ** to : {&base, &delta}) *to = carve.take<float>(rows);
        for (int32_t ** to : {&lowest, &highest}) *to = carve.take<int32_t>(query_blocks());
        wave = carve.take<int32_t>(s.key_blocks());
    }

    int64_t query_blocks() const { return ceil_div(s.n_tokens, kQueryBlock); }
    /// Rows of a block of queries, padded to whole tiles, which are whole pairs.
    int64_t block_rows() const { return rows_of(0); }
    int64_t rows_of(int64_t query_block) const {
        const int64_t queries = smaller(kQueryBlock, s.n_tokens - query_block * kQueryBlock);
        return ceil_div(queries * s.group(), Unit::kRows) * Unit::kRows;
    }
};

/// Packs a block of K or V as pairs along d; zeros from the end of d up to the padded depth.
template <typename Unit>
void pack_block(const GradientJob<Unit> & job, StreamIn from, int64_t at, int64_t n, uint32_t * to, Finite & finite) {
    const AttentionShape & s = job.s;
    with_type(from, [&](auto * x) { pack_columns(x + at, s.key_stride(), n, s.d, to, finite); });
    for (int64_t i = ceil_div(s.d, 2) * kKeyBlock; i < job.depth * kKeyBlock; i += kLanes)
        _mm512_store_si512(to + i, _mm512_setzero_si512());
}

/// For a block of keys of a head: packs K and V, and zeros dk and dv.
template <typename Unit>
void pack_keys(const GradientJob<Unit> & job, int64_t task) {
    const AttentionShape & s = job.s;
    const int64_t kv = task / s.key_blocks(), first = task % s.key_blocks() * kKeyBlock;
    const int64_t n = smaller(kKeyBlock, s.n_keys - first), at = s.key(first, kv);
    Finite finite;
    pack_block(job, job.k, at, n, job.keys + task * job.depth * kKeyBlock, finite);
    pack_block(job, job.v, at, n, job.values + task * job.depth * kKeyBlock, finite);
    with_type(job.k, [&](auto * k) {
        pack_row_pairs(k + at, s.key_stride(), n, s.d, job.key_rows + task * kKeyBlock / 2 * job.width, job.width,
                       finite);
    });
    job.key_finite[task] = finite.all();
    Unit::clear_keys(job, task, at, n);
}

/// do . o with do as it was rounded: o is a mean of rounded values, and do . v - do . o of a row cancels only if both
/// sides have the same do.
template <typename D, typename O>
float dot_rounded(const D * d_o, const O * o, int64_t n) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += kLanes)
        sum = _mm512_fmadd_ps(load_rounded(d_o + i, n - i), load_f32(o + i, n - i), sum);
    return _mm512_reduce_add_ps(sum);
}

/// Rows that fill up the last tile.
template <typename Unit>
void clear_padding(const GradientJob<Unit> & job, int64_t first, int64_t n) {
    const auto clear = [](auto * p, int64_t count) { __builtin_memset(p, 0, static_cast<size_t>(count) * sizeof(*p)); };
    for (uint32_t * to : {job.queries, job.d_out}) clear(to + first * job.q_pairs, n * job.q_pairs);
    for (float * to : {job.base, job.delta}) clear(to + first, n);
}

/// For a block of queries of a key's head: packs q and do, computes do . o, and zeros dq.
template <typename Unit>
void pack_queries(const GradientJob<Unit> & job, int64_t task) {
    const AttentionShape & s = job.s;
    const int64_t kv = task / job.query_blocks(), t0 = task % job.query_blocks() * kQueryBlock, group = s.group();
    const int64_t rows = (smaller(t0 + kQueryBlock, s.n_tokens) - t0) * group, to = task * job.block_rows();
    Finite finite;
    for (int64_t r = 0, t = t0, h = kv * group; r < rows; ++r) {
        const int64_t head = t * s.n_heads + h, at = head * s.d;
        with_type(job.q, [&](auto * q) { pack_row(q + at, s.d, job.queries + (to + r) * job.q_pairs, finite); });
        with_types(
            [&](auto * d_o, auto * o) {
                pack_row(d_o + at, s.d, job.d_out + (to + r) * job.q_pairs, finite);
                job.delta[to + r] = -dot_rounded(d_o + at, o + at, s.d);
            },
            job.d_o, job.o);
        job.base[to + r] = -job.lse[head] * kLog2E;
        __builtin_memset(job.dq + at, 0, static_cast<size_t>(s.d) * sizeof(float));
        if (++h == (kv + 1) * group) h = kv * group, ++t;
    }
    clear_padding(job, to + rows, job.rows_of(task % job.query_blocks()) - rows);
    job.query_finite[task] = finite.all();
    Unit::pack_queries(job, task);
}

/// The union of the ranges of a block of queries.
template <typename Unit>
void find_range(const GradientJob<Unit> & job, int64_t block) {
    const AttentionShape & s = job.s;
    int64_t lo = s.n_keys, hi = 0;
    for (int64_t t = block * kQueryBlock; t < smaller((block + 1) * kQueryBlock, s.n_tokens); ++t) {
        const KeyRange range = key_range(job.span, t, s.n_keys);
        if (range.begin < range.end) lo = smaller(lo, range.begin), hi = larger(hi, range.end);
    }
    job.lowest[block] = static_cast<int32_t>(lo);
    job.highest[block] = static_cast<int32_t>(hi);
}

}  // namespace
}  // namespace ql::cpu
