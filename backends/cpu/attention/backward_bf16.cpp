// The gradients of attention with products of bf16 in vdpbf16ps, in one sweep; what backward.cpp does in f32.
//
// Split: pairs of a block of queries and one of keys in waves, as in backward.cpp, so that each block's sums grow in
//   one order whatever the threads. With many blocks a task is a square of pairs, which share what they read. First,
//   passes over the blocks of keys and of queries pack them, once a launch.
// Traffic: a pair reads q and do of its rows (256 bytes a row at d = 64) and K both ways and V of its keys (24 KB), and
//   adds to dq, dk and dv where they lie; what is kept of kSubRows rows between a pair's two halves is 48 KB in L2.
// Rounding: q, k, v and do, where they are not held in bf16; p and the gradients of the scores before the products
//   that take them in; all sums are f32.
// Constants: d 64, H 9/3, causal, Zen 5, one thread, of vdpbf16ps' peak, measured before and after each run: kSubRows
//   48, 96, 192 give .77, .76, .76 at T 512 and .76, .77, .76 at 2048; the f32 kernel .33 and .30. Squares of 1, 2, 4
//   blocks: .762, .768, .772 at T 2048, .741 and .784 for 1 and 4 at 4096. A tile of 6 rows x 64 keys with its three
//   products runs at .90, the products for dk and dv at .98. Reading q and do a second time as right operands from
//   memory, rather than interleaving them where they are at hand, cost 5 % at T 512. The powers of two between the
//   steps of the second product made nothing faster, nor did a tile's dq behind the scores of the next.
#include "backends/cpu/attention/shape.hpp"

#if defined(__AVX512BF16__)
#include "backends/cpu/attention/gradient_job_bf16.inl"

namespace ql::cpu {
namespace {

/// A tile without keys.
void clear_tile(const Job & job, const Work & w, int32_t row) {
    const auto clear = [](uint32_t * p, int64_t n) { __builtin_memset(p, 0, static_cast<size_t>(n) * sizeof(*p)); };
    for (uint32_t * p : {w.p, w.ds}) clear(p + row / 2 * kKeyBlock, kTileRows / 2 * kKeyBlock);
    for (uint32_t * p : {w.q, w.d_o}) clear(p + row / 2 * job.width, kTileRows / 2 * job.width);
}

/// q and do of a tile's rows as right operands, while those of the tile after the next are fetched.
void interleave_tile(const Job & job, const Work & w, const GradientTile & t, int32_t row) {
    const int32_t n = kTileRows * job.q_pairs;
    fetch(t.q + 2 * n, n);
    fetch(t.d_o + 2 * n, n);
    for (int32_t r = 0; r < kTileRows; r += 2) {
        const int32_t from = r * job.q_pairs, to = (row + r) / 2 * job.width;
        interleave_rows(t.q + from, t.q + from + job.q_pairs, job.width, w.q + to);
        interleave_rows(t.d_o + from, t.d_o + from + job.q_pairs, job.width, w.d_o + to);
    }
}

/// dq of a tile's rows takes in ds K.
void add_dq(const Job & job, const GradientTile & t, const uint32_t * key_rows) {
    const int32_t first = t.lo / 2, depth = (t.hi + 1) / 2 - first;
    multiply<kTileRows>({t.ds_rows + (t.lo - t.first) / 2, kKeyBlock / 2, 1},
                        {key_rows + first * job.width, job.width, depth}, t.dq, job.s.d);
}

/// Probabilities, gradients of scores and dq of n rows of a pair from row number `at` on.
void score_rows(const Job & job, const Work & w, int64_t at, int32_t n, int64_t block) {
    const uint32_t * key_rows = job.key_rows + block * kKeyBlock / 2 * job.width;
    GradientTile t;
    for (int32_t row = 0; row < n; row += kTileRows) {
        t.begin = w.begin + row, t.end = w.end + row, t.dq = w.dq + row;
        if (!find_keys(t)) {
            clear_tile(job, w, row);
            continue;
        }
        t.q = job.queries + (at + row) * job.q_pairs, t.d_o = job.d_out + (at + row) * job.q_pairs;
        t.q_pairs = job.q_pairs, t.depth = job.depth;
        t.base = job.base + at + row, t.delta = job.delta + at + row;
        t.keys = job.keys + block * job.depth * kKeyBlock, t.values = job.values + block * job.depth * kKeyBlock;
        t.scale = job.s.scale;
        t.exact = w.exact, t.ds_rows = w.ds_rows;
        t.p = w.p + row / 2 * kKeyBlock, t.ds = w.ds + row / 2 * kKeyBlock;
        interleave_tile(job, w, t, row);
        score_gradients(t);
        add_dq(job, t, key_rows);
    }
}

/// dk and dv of keys [j, j + kKeys) take in n rows.
template <int kKeys>
void add_keys(const Job & job, const Work & w, int32_t n, int32_t j) {
    int32_t r0 = 0, r1 = n;
    while (r0 < r1 && (w.begin[r0] >= j + kKeys || w.end[r0] <= j)) ++r0;
    while (r0 < r1 && (w.begin[r1 - 1] >= j + kKeys || w.end[r1 - 1] <= j)) --r1;
    if (r0 >= r1) return;
    const int32_t first = r0 / 2, depth = (r1 + 1) / 2 - first;
    const int32_t from = first * job.width;
    multiply<kKeys>({w.p + first * kKeyBlock + j, 1, kKeyBlock}, {w.d_o + from, job.width, depth}, w.dv + j, job.s.d);
    multiply<kKeys>({w.ds + first * kKeyBlock + j, 1, kKeyBlock}, {w.q + from, job.width, depth}, w.dk + j, job.s.d);
}

/// Ranges and results of rows [row, row + n) of a block of queries, as rows 0 to n; n is padded to whole tiles.
void start_rows(const Job & job, const Work & w, int64_t t0, int64_t kv, int64_t base, int64_t row, int64_t n) {
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

void back_pair(const Job & job, const Work & w, int64_t key_block, int64_t query_block, int64_t kv) {
    const AttentionShape & s = job.s;
    const int64_t base = key_block * kKeyBlock, block = kv * s.key_blocks() + key_block;
    const int64_t first = (kv * job.query_blocks() + query_block) * job.block_rows();
    for (int64_t j = 0; j < kKeyBlock; ++j) {
        const bool real = base + j < s.n_keys;
        w.dk[j] = real ? job.dk + s.key(base + j, kv) : w.spare;
        w.dv[j] = real ? job.dv + s.key(base + j, kv) : w.spare;
    }
    const int64_t rows = job.rows_of(query_block);
    for (int64_t row = 0; row < rows; row += kSubRows) {
        const auto n = static_cast<int32_t>(smaller(kSubRows, rows - row));
        start_rows(job, w, query_block * kQueryBlock, kv, base, row, n);
        score_rows(job, w, first + row, n, block);
        int32_t j = 0;
        for (; j + kTileRows <= kKeyBlock; j += kTileRows) add_keys<kTileRows>(job, w, n, j);
        add_keys<kKeyBlock % kTileRows>(job, w, n, j);
    }
}

/// A square of pairs is one task: as many squares on a side of all pairs, or of so many blocks.
constexpr int64_t kSquares = 8, kMaxSide = 4;

/// Blocks on a side of a square.
int64_t side_of(const Job & job) {
    const int64_t n = larger(job.query_blocks(), job.s.key_blocks()) / kSquares;
    return larger(1, smaller(n, kMaxSide));
}

bool any_sees(const Job & job, int64_t query_block, int64_t key_block) {
    return query_block < job.query_blocks() && job.lowest[query_block] < (key_block + 1) * kKeyBlock &&
           job.highest[query_block] > key_block * kKeyBlock;
}

/// All pairs of a square that starts with a block of keys and a block of queries.
void back_square(const Job & job, int64_t key_block, int64_t query_block, int64_t kv, int thread) {
    const Work w = job.work.of(thread, job.s);
    const int64_t side = side_of(job);
    for (int64_t q = query_block; q < query_block + side; ++q)
        for (int64_t k = key_block; k < smaller(key_block + side, job.s.key_blocks()); ++k)
            if (any_sees(job, q, k)) back_pair(job, w, k, q, kv);
}

/// The squares of wave w of n in which a query sees a key, as numbers of their keys.
int64_t list_wave(const Job & job, int64_t w, int64_t n) {
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

}  // namespace

size_t attention_gradients_bf16_scratch(const AttentionShape & s, int threads) {
    Carver count;
    Job(s, count, threads);
    return count.used();
}

bool attention_gradients_bf16(const Launch & l) {
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    Job job(AttentionShape(l.node), carve, pool.threads());
    job.q = source(l, 0), job.k = source(l, 1), job.v = source(l, 2), job.o = source(l, 3), job.d_o = source(l, 5);
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
    return true;
}

}  // namespace ql::cpu

#else  // no such processor: the device never takes this path

namespace ql::cpu {
size_t attention_gradients_bf16_scratch(const AttentionShape &, int) {
    return 0;
}
bool attention_gradients_bf16(const Launch &) {
    return false;
}
}  // namespace ql::cpu
#endif
