// Attention of many queries with products of bf16: what forward.cpp does in f32, on a unit that multiplies tiles of
// rows with blocks of keys (score_tile_bf16.inl, score_tile_amx.inl).                                        (Dao 2023)
//
// Split: tasks are (key's head, block of queries), about kRows rows each, so that all heads of a group share the blocks
//   of K and V in cache; a first pass packs those. Within a task the sums of a row run over its keys in order.
// Rounding: q, k and v, where they are not held in bf16, and p, relative to the row's base; all sums are f32. A row is
//   divided by the sum of its rounded p: weights that add up to 1 leave what the values have in common as it is (values
//   of mean 4 and deviation 1: NMSE 8.9e-8 instead of 1.3e-7). lse is the logarithm of that sum.
//
// Included like probabilities_bf16.inl.
#pragma once
#include "backends/cpu/attention/probabilities_bf16.inl"
#include "backends/cpu/stream.hpp"

namespace ql::cpu {
namespace {

/// Rows of a task, about; a multiple of either unit's tile.
constexpr int64_t kRows = 96;

template <typename Unit>
struct ForwardJobBf16 {
    AttentionShape s;
    int64_t queries, query_blocks;  // of a block; blocks
    StreamIn q, k, v;
    const int32_t * span;
    StreamOut o;
    float * lse;
    uint32_t *keys, *values;  // [kv][block]: [depth][kKeyBlock] and [kKeyBlock / 2][width] pairs
    uint8_t * finite;         // [kv][seen block]
    PerThread<ForwardWorkBf16> work;

    ForwardJobBf16(const AttentionShape & shape, Carver & carve, int threads)
        : s(shape),
          queries(smaller(s.n_tokens, larger(1, kRows / s.group()))),
          query_blocks(ceil_div(s.n_tokens, queries)),
          work(carve, threads, s, work_rows(), Unit::kRows, Unit::kStoresProducts) {
        const int64_t blocks = s.n_kv * s.key_blocks();
        keys = carve.take<uint32_t>(blocks * keys_of_block());
        values = carve.take<uint32_t>(blocks * values_of_block());
        finite = carve.take<uint8_t>(blocks);
    }

    int64_t depth() const { return ceil_div(ceil_div(s.d, 2), Unit::kDepth) * Unit::kDepth; }
    int64_t keys_of_block() const { return depth() * kKeyBlock; }
    int64_t values_of_block() const { return kKeyBlock / 2 * s.width(); }
    /// Rows of a task, padded to whole tiles.
    int64_t work_rows() const { return ceil_div(queries * s.group(), Unit::kRows) * Unit::kRows; }
    ForwardWorkBf16 work_of(int thread) const {
        return work.of(thread, s, work_rows(), Unit::kRows, Unit::kStoresProducts);
    }
};

template <typename Unit>
void pack_keys(const ForwardJobBf16<Unit> & job, int64_t task) {
    const AttentionShape & s = job.s;
    const int64_t kv = task / s.seen_blocks(), block = s.first_block + task % s.seen_blocks();
    const int64_t first = block * kKeyBlock, at_block = kv * s.key_blocks() + block;
    const int64_t n = smaller(kKeyBlock, s.n_keys - first), stride = s.key_stride();
    Finite finite;
    const int64_t at = s.key(first, kv);
    uint32_t * keys = job.keys + at_block * job.keys_of_block();
    with_type(job.k, [&](auto * k) { pack_columns(k + at, stride, n, s.d, keys, finite); });
    for (int64_t i = ceil_div(s.d, 2) * kKeyBlock; i < job.keys_of_block(); i += kLanes)
        _mm512_store_si512(keys + i, _mm512_setzero_si512());
    with_type(job.v, [&](auto * v) {
        pack_row_pairs(v + at, stride, n, s.d, job.values + at_block * job.values_of_block(), s.width(), finite);
    });
    job.finite[task] = finite.all();
}

/// Packs a tile's queries when they are first needed, and asks for those of the tile after the next.
template <typename Unit, typename T>
void pack_tile(const ForwardJobBf16<Unit> & job, const T * q, const ForwardWorkBf16 & w, int32_t row, int32_t rows) {
    const int64_t d = job.s.d;
    Finite ignored;  // a query spoils its own row alone
    for (int64_t r = row; r < row + Unit::kRows; ++r) {
        pack_row(q + w.head[r] * d, d, w.q + r * w.q_pairs, ignored);
        fetch(q + w.head[smaller(r + 2 * Unit::kRows, rows - 1)] * d, d);
        w.base[r] = 0;
        _mm512_store_ps(w.sum + r * kLanes, _mm512_setzero_ps());
        for (int64_t i = 0; i < w.width; i += kLanes) _mm512_store_ps(w.o_rows[r] + i, _mm512_setzero_ps());
    }
}

template <typename Unit>
void store_row(const ForwardJobBf16<Unit> & job, const ForwardWorkBf16 & w, int64_t row) {
    const bool empty = w.begin[row] >= w.end[row];
    const int64_t d = job.s.d, head = w.head[row];
    const float sum = empty ? 1 : _mm512_reduce_add_ps(_mm512_load_ps(w.sum + row * kLanes));
    const __m512 factor = _mm512_set1_ps(1 / sum);
    with_type(job.o, [&](auto * o) {
        for (int64_t i = 0; i < d; i += kLanes) {
            const __m512 x = empty ? _mm512_setzero_ps() : _mm512_mul_ps(_mm512_load_ps(w.o_rows[row] + i), factor);
            store(x, o + head * d + i, d - i);
        }
    });
    job.lse[head] = empty ? 0 : logf(sum) - w.base[row] * kLn2;
}

/// All tiles of a task against a block of keys. A tile's rows are stored after the last block that they see.
template <typename Unit>
void forward_block(const ForwardJobBf16<Unit> & job, Unit & unit, const ForwardWorkBf16 & w, int32_t rows, int64_t kv,
                   int32_t block) {
    const int64_t at = kv * job.s.key_blocks() + block;
    const int32_t base = block * static_cast<int32_t>(kKeyBlock), end = base + static_cast<int32_t>(kKeyBlock);
    for (int32_t row = 0; row < rows; row += Unit::kRows) {
        TileState & state = w.state[row / Unit::kRows];
        TileKeys t;
        t.row = row;
        t.base = base;
        t.lo = state.any_begin < base ? 0 : state.any_begin - base;
        t.hi = (state.any_end > end ? end : state.any_end) - base;
        if (t.lo >= t.hi) continue;
        t.first = t.lo / Unit::kFirst * Unit::kFirst;
        t.keys = job.keys + at * job.keys_of_block();
        t.values = job.values + at * job.values_of_block();
        if (!state.packed) with_type(job.q, [&](auto * q) { pack_tile(job, q, w, row, rows); });
        state.packed = true;
        t.state = &state;
        unit.score(w, t);
        unit.add_values(w, t);
        for (int32_t r = row; r < row + Unit::kRows && r < rows && state.any_end <= end; ++r) store_row(job, w, r);
    }
}

template <typename Unit>
TileState state_of_tile(const int32_t * begin, const int32_t * end, int64_t n_keys) {
    const auto last = static_cast<int32_t>(n_keys);
    TileState state{last, 0, 0, last, ~0u >> (32 - Unit::kRows), false};
    for (int r = 0; r < Unit::kRows; ++r) {
        if (begin[r] < end[r]) {
            if (begin[r] < state.any_begin) state.any_begin = begin[r];
            if (end[r] > state.any_end) state.any_end = end[r];
        }
        if (begin[r] > state.all_begin) state.all_begin = begin[r];
        if (end[r] < state.all_end) state.all_end = end[r];
    }
    return state;
}

/// Finds the keys that each row of a task sees. Returns the union of their ranges.
template <typename Unit>
KeyRange start_rows(const ForwardJobBf16<Unit> & job, const ForwardWorkBf16 & w, int64_t t0, int64_t t1, int64_t kv) {
    const AttentionShape & s = job.s;
    const int64_t group = s.group(), rows = (t1 - t0) * group;
    const auto start = [&](int64_t row, KeyRange range, int64_t head) {
        w.head[row] = head;
        w.begin[row] = static_cast<int32_t>(range.begin);
        w.end[row] = static_cast<int32_t>(range.end);
        w.o_rows[row] = w.o + row * w.width;
    };
    for (int64_t t = t0, row = 0; t < t1; ++t) {
        const KeyRange range = key_range(job.span, t, s.n_keys);
        for (int64_t head = t * s.n_heads + kv * group, end = head + group; head < end; ++head)
            start(row++, range, head);
    }
    KeyRange all{s.n_keys, 0};
    for (int64_t row = 0; row < rows; row += Unit::kRows) {
        for (int64_t r = rows; r < row + Unit::kRows; ++r)
            start(r, {w.begin[rows - 1], w.end[rows - 1]}, w.head[rows - 1]);
        const TileState state = state_of_tile<Unit>(w.begin + row, w.end + row, s.n_keys);
        w.state[row / Unit::kRows] = state;
        all = {smaller(all.begin, state.any_begin), larger(all.end, state.any_end)};
    }
    return all;
}

template <typename Unit>
void forward_task(const ForwardJobBf16<Unit> & job, int64_t task, int thread) {
    const int64_t kv = task / job.query_blocks;
    const int64_t t0 = balanced(task % job.query_blocks, job.query_blocks) * job.queries,
                  t1 = smaller(t0 + job.queries, job.s.n_tokens);
    const auto rows = static_cast<int32_t>((t1 - t0) * job.s.group());
    const ForwardWorkBf16 w = job.work_of(thread);
    Unit unit;
    const KeyRange all = start_rows(job, w, t0, t1, kv);
    for (int64_t block = all.begin / kKeyBlock; block * kKeyBlock < all.end; ++block)
        forward_block(job, unit, w, rows, kv, static_cast<int32_t>(block));
    for (int32_t row = 0; row < rows; ++row)
        if (!w.state[row / Unit::kRows].packed) store_row(job, w, row);  // rows that see no key
}

template <typename Unit>
size_t forward_scratch(const AttentionShape & s, int threads) {
    Carver count;
    ForwardJobBf16<Unit>(s, count, threads);
    return count.used();
}

/// False if a number of K or V is not finite.
template <typename Unit>
bool forward(const Launch & l) {
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    ForwardJobBf16<Unit> job(AttentionShape::of_seen_keys(l), carve, pool.threads());
    job.q = stream_in(l, 0), job.k = stream_in(l, 1), job.v = stream_in(l, 2), job.span = l.ids(3);
    job.o = stream_out(l, 0), job.lse = l.y(1);
    const int64_t blocks = job.s.n_kv * job.s.seen_blocks();
    pool.run(blocks, [&](int64_t task, int) { pack_keys(job, task); });
    if (!all_set(job.finite, blocks)) return false;
    pool.run(job.query_blocks * job.s.n_kv, [&](int64_t task, int thread) { forward_task(job, task, thread); });
    return true;
}

}  // namespace
}  // namespace ql::cpu
