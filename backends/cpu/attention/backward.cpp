// The gradients of attention, blocked, in one sweep: five products for each pair of a block of queries and one of keys.
//
// Split: a pair adds to the dq of its queries and to the dk, dv of its keys, so pairs that share either must not run at
//   once. They run in waves: in wave w block c of keys meets block (c + w) mod N of queries; within a wave no two pairs
//   share a block, and each block's sums grow in the order of the waves, on any number of threads. There is no second
//   sweep (two more products) and no partial sum. A wave's pairs x key's heads are tasks; causal: N (N + 1) / 2 pairs.
// Traffic: K^T, V^T and K of a block (48 KB at d = 64) are read from L2 for each kTileRows rows; q and do once a pair.
// Constants: d 64, H 9/3, T 512 causal, AVX-512 on Zen 5, one thread: kSubRows 24, 48, 96, 192 give
//   140, 142, 151, 147 GFLOP/s of a peak of 240. At 96 the rows' buffers are 96 KB, half of what a pair touches.
#include "backends/cpu/attention/shape.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/attention/backward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/attention/soft_cap.inl"
#include "backends/cpu/attention/tile_product.inl"
#include "backends/cpu/attention/transpose.inl"
#include "backends/cpu/math.inl"

#ifndef QL_CPU_ATTENTION_BACKWARD_ONCE
#define QL_CPU_ATTENTION_BACKWARD_ONCE

namespace ql::cpu {

/// Queries of a block: as many as keys, so that causal pairs are halves of squares.
inline constexpr int64_t kQueryBlock = kKeyBlock;
/// Rows whose probabilities are kept before dk and dv take them in: a multiple of the tile's rows.
inline constexpr int64_t kSubRows = 96;

/// A thread's buffers.
struct BackWork {
    float *k, *dk, *dv;    // [kKeyBlock][width]
    float *q, *d_o;        // [kSubRows][width]
    float *p, *ds;         // [kSubRows][kKeyBlock]
    float * dq;            // [kMaxTileRows][width]
    int32_t *begin, *end;  // [kSubRows]: a row's keys within the block; if none, begin = kKeyBlock, end = 0

    BackWork(Carver & carve, const AttentionShape & s) {
        for (float ** p : {&k, &dk, &dv}) *p = carve.take<float>(kKeyBlock * s.width());
        for (float ** p : {&q, &d_o}) *p = carve.take<float>(kSubRows * s.width());
        p = carve.take<float>(kSubRows * kKeyBlock);
        ds = carve.take<float>(kSubRows * kKeyBlock);
        dq = carve.take<float>(kMaxTileRows * s.width());
        begin = carve.take<int32_t>(kSubRows);
        end = carve.take<int32_t>(kSubRows);
    }
};

struct BackJob {
    AttentionShape s;
    const float *q, *k, *v, *o, *lse, *d_o;
    const int32_t * span;
    float *dq, *dk, *dv;
    // Scratch: transposed blocks; do . o by row; union of the key ranges of a block of queries; whether a block holds
    // finite numbers only; the list of a wave's blocks of keys; the threads' buffers.
    float *keys, *values, *delta;
    int32_t *lowest, *highest;
    uint8_t *query_finite, *key_finite;  // [block], [key's head][block]
    int32_t * wave;
    std::byte * work;
    size_t work_bytes;

    int64_t query_blocks() const { return ceil_div(s.n_tokens, kQueryBlock); }
    BackWork work_of(int thread) const {
        Carver carve(work + work_bytes * static_cast<size_t>(thread));
        return BackWork(carve, s);
    }
};

}  // namespace ql::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {
static_assert(kTileRows <= kMaxTileRows && kSubRows % kTileRows == 0);

HWY_INLINE bool all_finite(const float * x, int64_t n) {
    Vec bad = hn::Zero(kF32);
    for (int64_t i = 0; i < n; i += kLanes) bad = hn::MulAdd(load_part(x + i, n - i), hn::Zero(kF32), bad);
    return sum_of(bad) == 0;
}

/// Transposes a block of keys of a head and its values, and zeros their dk and dv.
void prepare_keys(const BackJob & job, int64_t task) {
    const AttentionShape & s = job.s;
    const int64_t kv = task / s.key_blocks(), base = task % s.key_blocks() * kKeyBlock;
    const int64_t n = HWY_MIN(kKeyBlock, s.n_keys - base), at = s.key(base, kv);
    transpose_block(job.k + at, s.key_stride(), n, s.d, job.keys + task * s.d * kKeyBlock);
    transpose_block(job.v + at, s.key_stride(), n, s.d, job.values + task * s.d * kKeyBlock);
    job.key_finite[task] = all_finite(job.keys + task * s.d * kKeyBlock, s.d * kKeyBlock) &&
                           all_finite(job.values + task * s.d * kKeyBlock, s.d * kKeyBlock);
    for (int64_t j = 0; j < n; ++j) {
        std::memset(job.dk + at + j * s.key_stride(), 0, static_cast<size_t>(s.d) * sizeof(float));
        std::memset(job.dv + at + j * s.key_stride(), 0, static_cast<size_t>(s.d) * sizeof(float));
    }
}

/// For a block of queries, all heads: computes do . o, zeros dq, and finds the union of the ranges.
void prepare_queries(const BackJob & job, int64_t block) {
    const AttentionShape & s = job.s;
    const int64_t t0 = block * kQueryBlock, t1 = HWY_MIN(t0 + kQueryBlock, s.n_tokens), heads = s.n_heads;
    for (int64_t r = t0 * heads; r < t1 * heads; ++r) job.delta[r] = dot(job.d_o + r * s.d, job.o + r * s.d, s.d);
    const int64_t first = t0 * heads * s.d, n = (t1 - t0) * heads * s.d;
    std::memset(job.dq + first, 0, static_cast<size_t>(n) * sizeof(float));
    job.query_finite[block] = all_finite(job.q + first, n) && all_finite(job.d_o + first, n);
    int64_t lo = s.n_keys, hi = 0;
    for (int64_t t = t0; t < t1; ++t) {
        const KeyRange range = key_range(job.span, t, s.n_keys);
        if (range.begin < range.end) lo = HWY_MIN(lo, range.begin), hi = HWY_MAX(hi, range.end);
    }
    job.lowest[block] = static_cast<int32_t>(lo);
    job.highest[block] = static_cast<int32_t>(hi);
}

/// What the rows of a task have in common: the pair, and where its pieces lie.
struct Pair {
    int64_t kv, base;  // key's head, first key
    int64_t t0;        // first query
    bool exact;        // a block holds NaN or Inf: sums must not touch what a row does not see
    const float *keys, *values;
};

/// Copies rows [row, row + n) of the pair's block of queries and finds their ranges. True if any sees a key.
bool pack_sub(const BackJob & job, const BackWork & w, const Pair & pair, int64_t row, int64_t n) {
    const AttentionShape & s = job.s;
    bool any = false;
    for (int64_t r = 0; r < n; ++r) {
        const int64_t t = pair.t0 + (row + r) / s.group(), at = s.query(t, pair.kv) + (row + r) % s.group() * s.d;
        const KeyRange range = key_range(job.span, t, s.n_keys);
        const int64_t lo = HWY_MAX(range.begin - pair.base, int64_t{0}), hi = HWY_MIN(range.end - pair.base, kKeyBlock);
        w.begin[r] = static_cast<int32_t>(lo < hi ? lo : kKeyBlock);
        w.end[r] = static_cast<int32_t>(lo < hi ? hi : 0);
        any |= lo < hi;
        pack_rows(job.q + at, s.d, 1, s.d, w.q + r * s.width(), s.width());
        pack_rows(job.d_o + at, s.d, 1, s.d, w.d_o + r * s.width(), s.width());
    }
    return any;
}

/// Turns q . k in p and do . v in ds, columns [first, last) of a row, into its probabilities and its scores' gradients.
HWY_INLINE void score_gradients(float * p, float * ds, int64_t first, int64_t last, int64_t lo, int64_t hi, float scale,
                                float lse, float delta) {
    for (int64_t j = first; j < last; j += kLanes) {
        Vec e = vexp(kF32, hn::MulSub(hn::LoadU(kF32, p + j), hn::Set(kF32, scale), hn::Set(kF32, lse)));
        Vec g = hn::Mul(hn::Mul(hn::Sub(hn::LoadU(kF32, ds + j), hn::Set(kF32, delta)), e), hn::Set(kF32, scale));
        if (j < lo || j + kLanes > hi) {
            const Vec index = hn::Iota(kF32, static_cast<float>(j));
            const auto seen = hn::And(hn::Ge(index, hn::Set(kF32, static_cast<float>(lo))),
                                      hn::Lt(index, hn::Set(kF32, static_cast<float>(hi))));
            e = hn::IfThenElseZero(seen, e);
            g = hn::IfThenElseZero(seen, g);
        }
        hn::StoreU(e, kF32, p + j);
        hn::StoreU(g, kF32, ds + j);
    }
}

/// Adds ds K over keys [lo, hi) to dq of rows [r, r + n) of the sub-block.
void add_dq(const BackJob & job, const BackWork & w, const Pair & pair, int64_t row, int64_t r, int64_t n, int64_t lo,
            int64_t hi) {
    const AttentionShape & s = job.s;
    const int64_t width = s.width();
    product({w.ds + r * kKeyBlock + lo, kKeyBlock, 1}, w.k + lo * width, width, hi - lo, w.dq, width, n, width / kLanes,
            false);
    for (int64_t i = 0; i < n; ++i) {
        const int64_t at = row + r + i;
        float * dq = job.dq + s.query(pair.t0 + at / s.group(), pair.kv) + at % s.group() * s.d;
        for (int64_t c = 0; c < s.d; c += kLanes)
            store_part(hn::Add(load_part(dq + c, s.d - c), hn::LoadU(kF32, w.dq + i * width + c)), dq + c, s.d - c);
    }
}

/// Computes probabilities, gradients of scores, and dq of one tile of rows of the sub-block that starts at `row`.
void back_tile(const BackJob & job, const BackWork & w, const Pair & pair, int64_t row, int64_t r, int64_t n) {
    const AttentionShape & s = job.s;
    float *p = w.p + r * kKeyBlock, *ds = w.ds + r * kKeyBlock;
    int64_t lo = kKeyBlock, hi = 0;
    for (int64_t i = r; i < r + n; ++i) lo = HWY_MIN(lo, int64_t{w.begin[i]}), hi = HWY_MAX(hi, int64_t{w.end[i]});
    std::memset(p, 0, static_cast<size_t>(n * kKeyBlock) * sizeof(float));
    std::memset(ds, 0, static_cast<size_t>(n * kKeyBlock) * sizeof(float));
    if (lo >= hi) return;
    const int64_t first = lo / kLanes * kLanes, last = (hi + kLanes - 1) / kLanes * kLanes, width = s.width();
    product({w.q + r * width, width, 1}, pair.keys + first, kKeyBlock, s.d, p + first, kKeyBlock, n,
            (last - first) / kLanes, false);
    product({w.d_o + r * width, width, 1}, pair.values + first, kKeyBlock, s.d, ds + first, kKeyBlock, n,
            (last - first) / kLanes, false);
    for (int64_t i = 0; i < n; ++i) {
        const int64_t at = row + r + i,
                      head = (pair.t0 + at / s.group()) * s.n_heads + pair.kv * s.group() + at % s.group();
        float slope[kKeyBlock];
        if (s.cap > 0) cap_scores(p + i * kKeyBlock, slope, first, last, s.scale, s.cap);
        score_gradients(p + i * kKeyBlock, ds + i * kKeyBlock, first, last, w.begin[r + i], w.end[r + i],
                        s.cap > 0 ? 1 : s.scale, job.lse[head], job.delta[head]);
        if (s.cap > 0) multiply_scores(ds + i * kKeyBlock, slope, first, last);
        if (pair.exact && w.begin[r + i] < w.end[r + i])
            add_dq(job, w, pair, row, r + i, 1, w.begin[r + i], w.end[r + i]);
    }
    if (!pair.exact) add_dq(job, w, pair, row, r, n, lo, hi);
}

/// Adds rows [r0, r1) of the sub-block to dk and dv of keys [j, j + n) of the block.
HWY_INLINE void add_dkv(const AttentionShape & s, const BackWork & w, int64_t j, int64_t n, int64_t r0, int64_t r1) {
    const int64_t width = s.width(), vectors = width / kLanes;
    product({w.p + r0 * kKeyBlock + j, 1, kKeyBlock}, w.d_o + r0 * width, width, r1 - r0, w.dv + j * width, width, n,
            vectors, true);
    product({w.ds + r0 * kKeyBlock + j, 1, kKeyBlock}, w.q + r0 * width, width, r1 - r0, w.dk + j * width, width, n,
            vectors, true);
}

void add_sub(const AttentionShape & s, const BackWork & w, const Pair & pair, int64_t n) {
    if (pair.exact) {
        for (int64_t r = 0; r < n; ++r)
            for (int64_t j = w.begin[r]; j < w.end[r]; ++j) add_dkv(s, w, j, 1, r, r + 1);
        return;
    }
    for (int64_t j = 0; j < kKeyBlock; j += kTileRows) {
        const int64_t keys = HWY_MIN(kKeyBlock - j, int64_t{kTileRows});
        int64_t r0 = 0, r1 = n;
        while (r0 < r1 && (w.begin[r0] >= j + keys || w.end[r0] <= j)) ++r0;
        while (r0 < r1 && (w.begin[r1 - 1] >= j + keys || w.end[r1 - 1] <= j)) --r1;
        if (r0 < r1) add_dkv(s, w, j, keys, r0, r1);
    }
}

void add_rows(const float * from, int64_t width, float * to, int64_t stride, int64_t rows, int64_t d) {
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < d; i += kLanes) {
            float * at = to + r * stride + i;
            store_part(hn::Add(load_part(at, d - i), hn::LoadU(kF32, from + r * width + i)), at, d - i);
        }
}

void back_pair(const BackJob & job, int64_t key_block, int64_t query_block, int64_t kv, int thread) {
    const AttentionShape & s = job.s;
    const BackWork w = job.work_of(thread);
    const int64_t transposed = kv * s.key_blocks() + key_block, base = key_block * kKeyBlock,
                  t0 = query_block * kQueryBlock;
    const int64_t n_keys = HWY_MIN(kKeyBlock, s.n_keys - base),
                  rows = (HWY_MIN(t0 + kQueryBlock, s.n_tokens) - t0) * s.group();
    const Pair pair{kv,
                    base,
                    t0,
                    !job.query_finite[query_block] || !job.key_finite[transposed],
                    job.keys + transposed * s.d * kKeyBlock,
                    job.values + transposed * s.d * kKeyBlock};
    const size_t bytes = static_cast<size_t>(kKeyBlock * s.width()) * sizeof(float);
    std::memset(w.dk, 0, bytes);
    std::memset(w.dv, 0, bytes);
    pack_rows(job.k + s.key(base, kv), s.key_stride(), n_keys, s.d, w.k, s.width());
    for (int64_t row = 0; row < rows; row += kSubRows) {
        const int64_t n = HWY_MIN(kSubRows, rows - row);
        if (!pack_sub(job, w, pair, row, n)) continue;
        for (int64_t r = 0; r < n; r += kTileRows) back_tile(job, w, pair, row, r, HWY_MIN(n - r, int64_t{kTileRows}));
        add_sub(s, w, pair, n);
    }
    add_rows(w.dk, s.width(), job.dk + s.key(base, kv), s.key_stride(), n_keys, s.d);
    add_rows(w.dv, s.width(), job.dv + s.key(base, kv), s.key_stride(), n_keys, s.d);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {

HWY_EXPORT(prepare_keys);
HWY_EXPORT(prepare_queries);
HWY_EXPORT(back_pair);

BackJob make_back_job(const AttentionShape & s, Carver & carve, int threads) {
    BackJob job{s};
    job.keys = carve.take<float>(s.transposed());
    job.values = carve.take<float>(s.transposed());
    job.delta = carve.take<float>(s.n_tokens * s.n_heads);
    job.lowest = carve.take<int32_t>(job.query_blocks());
    job.highest = carve.take<int32_t>(job.query_blocks());
    job.query_finite = carve.take<uint8_t>(job.query_blocks());
    job.key_finite = carve.take<uint8_t>(s.n_kv * s.key_blocks());
    job.wave = carve.take<int32_t>(s.key_blocks());
    Carver count;
    BackWork(count, s);
    job.work_bytes = count.used();
    job.work = carve.take<std::byte>(static_cast<int64_t>(job.work_bytes) * threads);
    return job;
}

/// Lists the blocks of keys that meet, in wave w of n, a block of queries that sees one of their keys.
int64_t list_wave(const BackJob & job, int64_t w, int64_t n) {
    int64_t count = 0;
    for (int64_t c = 0; c < job.s.key_blocks(); ++c) {
        const int64_t block = (c + w) % n;
        if (block >= job.query_blocks()) continue;
        if (job.lowest[block] < (c + 1) * kKeyBlock && job.highest[block] > c * kKeyBlock)
            job.wave[count++] = static_cast<int32_t>(c);
    }
    return count;
}

}  // namespace

size_t attention_gradients_scratch(const AttentionShape & s, int threads) {
    Carver count;
    make_back_job(s, count, threads);
    return count.used();
}

Status attention_gradients(const Launch & l) {
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    BackJob job = make_back_job(AttentionShape(l.node), carve, pool.threads());
    job.q = l.x(0), job.k = l.x(1), job.v = l.x(2), job.o = l.x(3), job.lse = l.x(4), job.d_o = l.x(5),
    job.span = l.ids(6);
    job.dq = l.y(0), job.dk = l.y(1), job.dv = l.y(2);
    const AttentionShape & s = job.s;
    const auto keys = &HWY_DYNAMIC_DISPATCH(prepare_keys);
    const auto queries = &HWY_DYNAMIC_DISPATCH(prepare_queries);
    const auto pair = &HWY_DYNAMIC_DISPATCH(back_pair);
    pool.run(s.n_kv * s.key_blocks(), [&](int64_t task, int) { keys(job, task); });
    pool.run(job.query_blocks(), [&](int64_t block, int) { queries(job, block); });
    const int64_t n = std::max(job.query_blocks(), s.key_blocks());
    for (int64_t w = 0; w < n; ++w)
        pool.run(list_wave(job, w, n) * s.n_kv, [&](int64_t task, int thread) {
            const int64_t c = job.wave[task / s.n_kv];
            pair(job, c, (c + w) % n, task % s.n_kv, thread);
        });
    return {};
}

}  // namespace ql::cpu
#endif
