// The gradients of attention with products of bf16, in one sweep: what backward.cpp does in f32, on a unit that
// multiplies tiles of rows with blocks of keys (gradient_tile_bf16.inl, gradient_tile_amx.inl).
//
// Split: pairs of a block of queries and one of keys in waves, as in backward.cpp, so that each block's sums grow in
//   one order on any number of threads. With many blocks a task is a square of pairs, which share their reads. First,
//   passes over the blocks of keys and of queries pack them, once a launch.
// Rounding: q, k, v and do, where they are not held in bf16; p and the gradients of the scores before the products
//   that take them in; all sums are f32.
//
// Included like scores_bf16.inl.
#pragma once
#include "backends/cpu/attention/gradient_job_bf16.inl"

namespace ql::cpu {
namespace {

/// Finds the keys that any of the rows sees; false if there are none.
template <typename Unit>
inline bool find_keys(GradientTile & t) {
    t.all = true;
    t.lo = static_cast<int32_t>(kKeyBlock), t.hi = 0;
    for (int r = 0; r < Unit::kRows; ++r) {
        if (t.begin[r] < t.lo) t.lo = t.begin[r];
        if (t.end[r] > t.hi) t.hi = t.end[r];
        t.all &= t.begin[r] == 0 && t.end[r] == kKeyBlock;
    }
    t.first = t.lo / Unit::kFirst * Unit::kFirst;
    return t.lo < t.hi;
}

/// Probabilities, gradients of scores and dq of n rows of a pair from row number `at` on.
template <typename Unit>
void score_rows(const GradientJob<Unit> & job, Unit & unit, const typename Unit::Buffers & w, int64_t at, int32_t n,
                int64_t block) {
    GradientTile t;
    for (int32_t row = 0; row < n; row += Unit::kRows) {
        t.row = row;
        t.begin = w.begin + row, t.end = w.end + row, t.dq = w.dq + row;
        t.p = w.p + row / 2 * kKeyBlock, t.ds = w.ds + row / 2 * kKeyBlock;
        if (!find_keys<Unit>(t)) {
            for (uint32_t * p : {t.p, t.ds}) __builtin_memset(p, 0, Unit::kRows / 2 * kKeyBlock * sizeof(*p));
            unit.skip(job, w, t);
            continue;
        }
        t.q = job.queries + (at + row) * job.q_pairs, t.d_o = job.d_out + (at + row) * job.q_pairs;
        t.base = job.base + at + row, t.delta = job.delta + at + row;
        t.keys = job.keys + block * job.depth * kKeyBlock, t.values = job.values + block * job.depth * kKeyBlock;
        t.key_rows = job.key_rows + block * kKeyBlock / 2 * job.width;
        t.q_pairs = job.q_pairs, t.depth = job.depth;
        t.scale = job.s.scale;
        t.ds_rows = w.ds_rows;
        unit.score(job, w, t);
    }
}

/// Ranges and results of rows [row, row + n) of a block of queries, as rows 0 to n; n is padded to whole tiles.
template <typename Unit>
void start_rows(const GradientJob<Unit> & job, const GradientWork & w, int64_t t0, int64_t kv, int64_t base,
                int64_t row, int64_t n) {
    const AttentionShape & s = job.s;
    const int64_t group = s.group();
    for (int64_t r = 0, t = t0 + row / group, h = row % group; r < n; ++t, h = 0) {
        int64_t lo = kKeyBlock, hi = 0;
        if (t < smaller(t0 + kQueryBlock, s.n_tokens)) {
            const KeyRange range = key_range(job.span, t, s.n_keys);
            lo = larger(range.begin - base, 0), hi = smaller(range.end - base, kKeyBlock);
        }
        const bool any = lo < hi;
        for (; h < group && r < n; ++h, ++r) {
            w.begin[r] = static_cast<int32_t>(any ? lo : kKeyBlock);
            w.end[r] = static_cast<int32_t>(any ? hi : 0);
            w.dq[r] = any ? job.dq + s.query(t, kv) + h * s.d : w.spare;
        }
    }
}

template <typename Unit>
void back_pair(const GradientJob<Unit> & job, Unit & unit, const typename Unit::Buffers & w, int64_t key_block,
               int64_t query_block, int64_t kv) {
    const AttentionShape & s = job.s;
    const int64_t base = key_block * kKeyBlock, block = kv * s.key_blocks() + key_block;
    const int64_t queries = kv * job.query_blocks() + query_block;
    unit.start_pair(job, w, key_block, kv);
    const int64_t rows = job.rows_of(query_block);
    for (int64_t row = 0; row < rows; row += kSubRows) {
        const auto n = static_cast<int32_t>(smaller(kSubRows, rows - row));
        start_rows(job, w, query_block * kQueryBlock, kv, base, row, n);
        score_rows(job, unit, w, queries * job.block_rows() + row, n, block);
        unit.add_keys(job, w, block, queries, row, n);
    }
}

/// A square of pairs is one task: all pairs are kSquares squares on a side, of at most kMaxSide blocks on a side each.
constexpr int64_t kSquares = 8, kMaxSide = 4;

/// Blocks on a side of a square.
template <typename Unit>
int64_t side_of(const GradientJob<Unit> & job) {
    const int64_t n = larger(job.query_blocks(), job.s.key_blocks()) / kSquares;
    return larger(1, smaller(n, kMaxSide));
}

template <typename Unit>
bool any_sees(const GradientJob<Unit> & job, int64_t query_block, int64_t key_block) {
    return query_block < job.query_blocks() && job.lowest[query_block] < (key_block + 1) * kKeyBlock &&
           job.highest[query_block] > key_block * kKeyBlock;
}

/// All pairs of a square that starts with a block of keys and a block of queries.
template <typename Unit>
void back_square(const GradientJob<Unit> & job, int64_t key_block, int64_t query_block, int64_t kv, int thread) {
    const typename Unit::Buffers w = job.work.of(thread, job.s);
    Unit unit;
    const int64_t side = side_of(job);
    for (int64_t q = query_block; q < query_block + side; ++q)
        for (int64_t k = key_block; k < smaller(key_block + side, job.s.key_blocks()); ++k)
            if (any_sees(job, q, k)) back_pair(job, unit, w, k, q, kv);
}

/// The squares of wave w of n in which a query sees a key, as numbers of their keys.
template <typename Unit>
int64_t list_wave(const GradientJob<Unit> & job, int64_t w, int64_t n) {
    const int64_t side = side_of(job);
    int64_t count = 0;
    for (int64_t c = 0; c * side < job.s.key_blocks(); ++c) {
        bool any = false;
        for (int64_t i = 0; i < side * side && !any; ++i)
            any = any_sees(job, (c + w) % n * side + i / side, c * side + i % side);
        if (any) job.wave[count++] = static_cast<int32_t>(c);
    }
    return count;
}

template <typename Unit>
size_t gradients_scratch(const AttentionShape & s, int threads) {
    Carver count;
    GradientJob<Unit>(s, count, threads);
    return count.used();
}

/// False if a number is not finite.
template <typename Unit>
bool gradients(const Launch & l) {
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    GradientJob<Unit> job(AttentionShape(l.node), carve, pool.threads());
    job.q = stream_in(l, 0), job.k = stream_in(l, 1), job.v = stream_in(l, 2), job.o = stream_in(l, 3),
    job.d_o = stream_in(l, 5);
    job.lse = l.x(4), job.span = l.ids(6);
    job.dq = l.y(0), job.dk = l.y(1), job.dv = l.y(2);
    const AttentionShape & s = job.s;
    const int64_t key_tasks = s.n_kv * s.key_blocks(), query_tasks = s.n_kv * job.query_blocks();
    pool.run(key_tasks, [&](int64_t task, int) { pack_keys(job, task); });
    pool.run(query_tasks, [&](int64_t task, int) { pack_queries(job, task); });
    if (!all_set(job.key_finite, key_tasks) || !all_set(job.query_finite, query_tasks)) return false;
    pool.run(job.query_blocks(), [&](int64_t block, int) { find_range(job, block); });
    const int64_t side = side_of(job), n = ceil_div(larger(job.query_blocks(), s.key_blocks()), side);
    for (int64_t w = 0; w < n; ++w)
        pool.run(list_wave(job, w, n) * s.n_kv, [&](int64_t task, int thread) {
            const int64_t c = job.wave[task / s.n_kv];
            back_square(job, c * side, (c + w) % n * side, task % s.n_kv, thread);
        });
    Unit::finish(job, pool);
    return true;
}

}  // namespace
}  // namespace ql::cpu
