// Attention of many queries with products of bf16 in vdpbf16ps; what forward.cpp does in f32.     (Dao 2023)
//
// Split: tasks are (key's head, block of queries), about kRows rows each, so that all heads of a group share the blocks
//   of K and V in cache; a first pass packs those. Within a task the sums of a row run over its keys in order.
// Traffic: a task streams the packed K and V of its range once, 16 KB for 1.6 MFLOP at d = 64 and 96 rows; scores stay
//   in registers, probabilities of a tile of 6 rows x 64 keys in L1.
// Rounding: scale q, log2(e) k, v and, relative to the row's base, p are rounded once, all sums are f32. A row is
//   divided by the sum of its rounded p: weights that add up to 1 leave what the values have in common as it is (values
//   of mean 4 and deviation 1: NMSE 8.9e-8 instead of 1.3e-7). lse is the logarithm of that sum.
// Constants: d 64, H 9/3, causal, Zen 5, one thread, of vdpbf16ps' peak, measured before and after each run: kRows 48,
//   96, 192, 384 give .733, .732, .731, .731 at T 512 and .78, .78, .78, .79 at 2048; the f32 kernel .285 and .31. A
//   tile of values alone runs at .96, one of scores with all that makes them probabilities at .81. A tile's values
//   behind the scores of the next made nothing faster.
#include "backends/cpu/attention/shape.hpp"

#if defined(__AVX512BF16__)
#include <math.h>

#include "backends/cpu/attention/tile_bf16.inl"

namespace ql::cpu {
namespace {

/// Rows of a task, about; a multiple of the tile's.
constexpr int64_t kRows = 96;
/// A row's probabilities are relative to a score that was its largest once; it is replaced when one exceeds it by this,
/// in powers of two. Both bf16 and f32 are as exact there as at 1, and few blocks need their sums rescaled.
constexpr float kRaise = 8;

/// Of a tile's rows: the union and the intersection of their ranges, and as bits those that have no base yet.
struct TileState {
    int32_t any_begin, any_end, all_begin, all_end;
    uint32_t unset;
    bool packed;
};

/// A thread's buffers. Rows are padded to whole tiles; what is beyond the last is computed and dropped.
struct Work {
    uint32_t * q;          // [rows][q_pairs]: scale q
    float *o, *sum;        // [rows][width]; [rows][kLanes]: partial sums of probabilities
    float ** o_rows;       // [rows]: where they begin
    float * base;          // [rows]: what scores are relative to, negated
    int64_t * head;        // [rows]: which of all heads of all queries; the last again in what fills up the last tile
    int32_t *begin, *end;  // [rows]: ranges of keys
    TileState * state;     // [rows / kTileRows]
    uint32_t * p;          // [kTileRows][kKeyBlock / 2]: a tile's probabilities, from its first key on
    int32_t depth, q_pairs, width;

    Work(Carver & carve, const AttentionShape & s, int64_t rows)
        : depth(static_cast<int32_t>(ceil_div(s.d, 2))),
          q_pairs(static_cast<int32_t>(padded(depth))),
          width(static_cast<int32_t>(s.width())) {
        q = carve.take<uint32_t>(rows * q_pairs);
        o = carve.take<float>(rows * width);
        sum = carve.take<float>(rows * kLanes);
        o_rows = carve.take<float *>(rows);
        base = carve.take<float>(rows);
        head = carve.take<int64_t>(rows);
        begin = carve.take<int32_t>(rows);
        end = carve.take<int32_t>(rows);
        state = carve.take<TileState>(rows / kTileRows);
        p = carve.take<uint32_t>(kTileRows * kKeyBlock / 2);
    }
};

struct Job {
    AttentionShape s;
    int64_t queries, query_blocks;  // of a block; blocks
    const float *q, *k, *v;
    const int32_t * span;
    float *o, *lse;
    uint32_t *keys, *values;  // [kv][block]: [depth][kKeyBlock] and [kKeyBlock / 2][width] pairs
    uint8_t * finite;         // [kv][block]
    std::byte * work;
    size_t work_bytes;  // of a thread

    Job(const AttentionShape & shape, Carver & carve, int threads) : s(shape) {
        queries = smaller(s.n_tokens, larger(1, kRows / s.group()));
        query_blocks = ceil_div(s.n_tokens, queries);
        const int64_t blocks = s.n_kv * s.key_blocks();
        keys = carve.take<uint32_t>(blocks * keys_of_block());
        values = carve.take<uint32_t>(blocks * values_of_block());
        finite = carve.take<uint8_t>(blocks);
        Carver count;
        Work(count, s, work_rows());
        work_bytes = count.used();
        work = carve.take<std::byte>(static_cast<int64_t>(work_bytes) * threads);
    }

    int64_t keys_of_block() const { return ceil_div(s.d, 2) * kKeyBlock; }
    int64_t values_of_block() const { return kKeyBlock / 2 * s.width(); }
    int64_t work_rows() const { return ceil_div(queries * s.group(), kTileRows) * kTileRows; }
    Work work_of(int thread) const {
        Carver carve(work + work_bytes * static_cast<size_t>(thread));
        return Work(carve, s, work_rows());
    }
};

void pack_keys(const Job & job, int64_t task) {
    const AttentionShape & s = job.s;
    const int64_t kv = task / s.key_blocks(), first = task % s.key_blocks() * kKeyBlock;
    const int64_t n = smaller(kKeyBlock, s.n_keys - first), stride = s.key_stride();
    Finite finite;
    const int64_t at = s.key(first, kv);
    pack_columns(job.k + at, stride, n, s.d, kLog2E, job.keys + task * job.keys_of_block(), finite);
    pack_row_pairs(job.v + at, stride, n, s.d, 1, job.values + task * job.values_of_block(), s.width(), finite);
    job.finite[task] = finite.all();
}

/// A tile of rows and the keys of a block that any of them sees: in whole vectors from `first`, in pairs from lo.
struct Part {
    int32_t row;
    int32_t base, first;  // keys: the block's first, and in the block
    int32_t lo, hi;
    const uint32_t *keys, *values;
};

/// Gives rows that have no base, or whose scores exceed it too far, their largest score as base: takes it off the
/// scores and rescales what the rows have summed so far. mask: the keys that a row sees.
template <int V>
[[gnu::always_inline]] inline void raise_bases(Scores<V> & x, const uint64_t * mask, const Work & w, int32_t row) {
    uint32_t & unset = w.state[row / kTileRows].unset;
#pragma GCC unroll 6
    for (int r = 0; r < kTileRows; ++r) {
        __m512 top = _mm512_set1_ps(-INFINITY);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v)
            top = _mm512_mask_max_ps(top, static_cast<__mmask16>(mask[r] >> (v * kLanes)), x[r][v], top);
        const float largest = _mm512_reduce_max_ps(top);
        const bool first = unset >> r & 1;
        if (!(largest > (first ? -INFINITY : kRaise))) continue;
        const __m512 rise = _mm512_set1_ps(largest);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) x[r][v] = _mm512_sub_ps(x[r][v], rise);
        w.base[row + r] -= largest;
        unset &= ~(1u << r);
        if (first) continue;
        const __m512 factor = exp2_of(_mm512_sub_ps(_mm512_setzero_ps(), rise));
        float *sum = w.sum + (row + r) * kLanes, *o = w.o_rows[row + r];
        _mm512_store_ps(sum, _mm512_mul_ps(_mm512_load_ps(sum), factor));
        for (int32_t i = 0; i < w.width; i += kLanes)
            _mm512_store_ps(o + i, _mm512_mul_ps(_mm512_load_ps(o + i), factor));
    }
}

/// Whether a score exceeds its base too far. NaN does not: a row that has one is lost, the others are not.
template <int V>
[[gnu::always_inline]] inline bool exceeds(const Scores<V> & x) {
    const __m512 limit = _mm512_set1_ps(kRaise);
    __m512 top[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
        top[v] = limit;
#pragma GCC unroll 6
        for (int r = 0; r < kTileRows; ++r) top[v] = _mm512_max_ps(x[r][v], top[v]);
    }
#pragma GCC unroll 4
    for (int v = 1; v < V; ++v) top[0] = _mm512_max_ps(top[v], top[0]);
    return _mm512_cmp_ps_mask(top[0], limit, _CMP_GT_OQ) != 0;
}

/// Probabilities of a tile: p and their sums. kEdge: not all rows see all keys of the V vectors.
template <int V, bool kEdge>
[[gnu::noipa]] void score_tile(const Work & w, const Part & t) {
    Scores<V> x;
    start_scores<V>(x, w.base + t.row);
    add_product(x, {w.q + int64_t{t.row} * w.q_pairs, w.q_pairs, 1}, {t.keys + t.first, kKeyBlock, w.depth});

    uint64_t mask[kTileRows];
    const uint32_t unset = w.state[t.row / kTileRows].unset;
    bool raise = false;
#pragma GCC unroll 6
    for (int r = 0; r < kTileRows; ++r) {
        mask[r] = kEdge ? seen_keys(w.begin[t.row + r], w.end[t.row + r], t.base + t.first) : ~uint64_t{0};
        raise |= mask[r] && (unset >> r & 1);
    }
    if (raise || exceeds<V>(x)) raise_bases<V>(x, mask, w, t.row);

    const auto ones = (__m512bh)_mm512_set1_epi32(0x3f803f80);
    float * sum = w.sum + t.row * kLanes;
    uint32_t * to = w.p;
#pragma GCC unroll 6
    for (int r = 0; r < kTileRows; ++r, sum += kLanes, to += kKeyBlock / 2) {
        __m512 total = _mm512_load_ps(sum);
#pragma GCC unroll 2
        for (int v = 0; v < V; v += 2) {
            __m512 low = exp2_of(x[r][v]),
                   high = v + 1 < V ? exp2_of(x[r][v + 1 < V ? v + 1 : v]) : _mm512_setzero_ps();
            if constexpr (kEdge) low = keep(mask[r], v, low), high = keep(mask[r], v + 1, high);
            const __m512i p = to_bf16(low, high);
            _mm512_store_si512(to + v * kLanes / 2, p);
            total = _mm512_dpbf16_ps(total, (__m512bh)p, ones);
        }
        _mm512_store_ps(sum, total);
    }
}

using ScoreTile = void (*)(const Work &, const Part &);
constexpr ScoreTile kEdgeTiles[kTileVectors] = {score_tile<1, true>, score_tile<2, true>, score_tile<3, true>,
                                                score_tile<4, true>};

/// o of a tile's rows takes in its probabilities times values.
void add_values(const Work & w, const Part & t) {
    const int32_t first = t.lo / 2, depth = (t.hi + 1) / 2 - first;
    multiply<kTileRows>({w.p + (t.lo - t.first) / 2, kKeyBlock / 2, 1}, {t.values + first * w.width, w.width, depth},
                        w.o_rows + t.row, w.width);
}

/// Packs a tile's queries when they are first needed, and has those of the tile after the next fetched.
void pack_tile(const Job & job, const Work & w, int32_t row, int32_t rows) {
    const int64_t d = job.s.d;
    Finite ignored;  // a query spoils its own row alone
    for (int64_t r = row; r < row + kTileRows; ++r) {
        pack_row(job.q + w.head[r] * d, d, job.s.scale, w.q + r * w.q_pairs, ignored);
        fetch(job.q + w.head[smaller(r + 2 * kTileRows, rows - 1)] * d, d);
        w.base[r] = 0;
        _mm512_store_ps(w.sum + r * kLanes, _mm512_setzero_ps());
        for (int64_t i = 0; i < w.width; i += kLanes) _mm512_store_ps(w.o_rows[r] + i, _mm512_setzero_ps());
    }
}

void store_row(const Job & job, const Work & w, int64_t row) {
    const bool empty = w.begin[row] >= w.end[row];
    const int64_t d = job.s.d, head = w.head[row];
    const float sum = empty ? 1 : _mm512_reduce_add_ps(_mm512_load_ps(w.sum + row * kLanes));
    const __m512 factor = _mm512_set1_ps(1 / sum);
    float * o = job.o + head * d;
    for (int64_t i = 0; i < d; i += kLanes) {
        const __m512 x = empty ? _mm512_setzero_ps() : _mm512_mul_ps(_mm512_load_ps(w.o_rows[row] + i), factor);
        if (d - i >= kLanes)
            _mm512_storeu_ps(o + i, x);
        else
            _mm512_mask_storeu_ps(o + i, first_lanes(d - i), x);
    }
    job.lse[head] = empty ? 0 : logf(sum) - w.base[row] * kLn2;
}

/// All tiles of a task against a block of keys. A tile's rows are stored behind the last block that they see.
void forward_block(const Job & job, const Work & w, int32_t rows, int64_t kv, int32_t block) {
    const int64_t at = kv * job.s.key_blocks() + block;
    const int32_t base = block * static_cast<int32_t>(kKeyBlock), end = base + static_cast<int32_t>(kKeyBlock);
    for (int32_t row = 0; row < rows; row += kTileRows) {
        TileState & state = w.state[row / kTileRows];
        Part t;
        t.row = row;
        t.base = base;
        t.lo = state.any_begin < base ? 0 : state.any_begin - base;
        t.hi = (state.any_end > end ? end : state.any_end) - base;
        if (t.lo >= t.hi) continue;
        t.first = t.lo / kLanes * kLanes;
        t.keys = job.keys + at * job.keys_of_block();
        t.values = job.values + at * job.values_of_block();
        if (!state.packed) pack_tile(job, w, row, rows);
        state.packed = true;
        if (state.all_begin <= base && state.all_end >= end)
            score_tile<kTileVectors, false>(w, t);
        else
            kEdgeTiles[(t.hi - t.first - 1) / kLanes](w, t);
        add_values(w, t);
        for (int32_t r = row; r < row + kTileRows && r < rows && state.any_end <= end; ++r) store_row(job, w, r);
    }
}

TileState state_of_tile(const int32_t * begin, const int32_t * end, int64_t n_keys) {
    const auto last = static_cast<int32_t>(n_keys);
    TileState state{last, 0, 0, last, (1 << kTileRows) - 1, false};
    for (int r = 0; r < kTileRows; ++r) {
        if (begin[r] < end[r]) {
            if (begin[r] < state.any_begin) state.any_begin = begin[r];
            if (end[r] > state.any_end) state.any_end = end[r];
        }
        if (begin[r] > state.all_begin) state.all_begin = begin[r];
        if (end[r] < state.all_end) state.all_end = end[r];
    }
    return state;
}

/// Finds what the rows of a task see. Returns the union.
KeyRange start_rows(const Job & job, const Work & w, int64_t t0, int64_t t1, int64_t kv) {
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
    for (int64_t row = 0; row < rows; row += kTileRows) {
        for (int64_t r = rows; r < row + kTileRows; ++r)
            start(r, {w.begin[rows - 1], w.end[rows - 1]}, w.head[rows - 1]);
        const TileState state = state_of_tile(w.begin + row, w.end + row, s.n_keys);
        w.state[row / kTileRows] = state;
        all = {smaller(all.begin, state.any_begin), larger(all.end, state.any_end)};
    }
    return all;
}

void forward_task(const Job & job, int64_t task, int thread) {
    const int64_t kv = task / job.query_blocks;
    const int64_t t0 = balanced(task % job.query_blocks, job.query_blocks) * job.queries,
                  t1 = smaller(t0 + job.queries, job.s.n_tokens);
    const auto rows = static_cast<int32_t>((t1 - t0) * job.s.group());
    const Work w = job.work_of(thread);
    const KeyRange all = start_rows(job, w, t0, t1, kv);
    for (int64_t block = all.begin / kKeyBlock; block * kKeyBlock < all.end; ++block)
        forward_block(job, w, rows, kv, static_cast<int32_t>(block));
    for (int32_t row = 0; row < rows; ++row)
        if (!w.state[row / kTileRows].packed) store_row(job, w, row);  // without a key
}

}  // namespace

size_t attention_blocks_bf16_scratch(const AttentionShape & s, int threads) {
    Carver count;
    const Job job(s, count, threads);
    const size_t f32 = attention_blocks_scratch(s, threads);
    return count.used() < f32 ? f32 : count.used();
}

Status attention_blocks_bf16(const Launch & l) {
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    Job job(AttentionShape(l.node), carve, pool.threads());
    job.q = l.x(0), job.k = l.x(1), job.v = l.x(2), job.span = l.ids(3);
    job.o = l.y(0), job.lse = l.y(1);
    const int64_t blocks = job.s.n_kv * job.s.key_blocks();
    pool.run(blocks, [&](int64_t task, int) { pack_keys(job, task); });
    for (int64_t i = 0; i < blocks; ++i)
        if (!job.finite[i]) return attention_blocks(l);  // NaN must not reach rows that do not see it
    pool.run(job.query_blocks * job.s.n_kv, [&](int64_t task, int thread) { forward_task(job, task, thread); });
    return {};
}

}  // namespace ql::cpu

#else  // no such processor: the device never takes this path

namespace ql::cpu {
size_t attention_blocks_bf16_scratch(const AttentionShape & s, int threads) {
    return attention_blocks_scratch(s, threads);
}
Status attention_blocks_bf16(const Launch & l) {
    return attention_blocks(l);
}
}  // namespace ql::cpu
#endif
