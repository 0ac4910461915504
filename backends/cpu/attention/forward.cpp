// Attention of many queries, blocked: the kernel of training and of prompts.             (Dao 2023, FlashAttention-2)
//
// Split: tasks are (block of queries, key's head), about kTaskRows rows each, so that all heads of a group share the blocks
//   of K and V in cache; a first pass transposes K. Within a task the sums of a row run over its keys in order.
// Traffic: a task streams K and V of its range once: 2 d floats a key for kTaskRows rows, that is 32 KB for 3.1 MFLOP at
//   d = 64; scores live in a tile of 6 rows x 64 keys in L1, never in memory.
// Constants: d 64, H 9/3, T 512 causal, AVX-512 on Zen 5, one thread: kTaskRows 48, 96, 192 give
//   126, 126, 135 GFLOP/s of a peak of 240; more rows would leave many threads without a task.
#include "backends/cpu/attention/shape.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/attention/forward.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/attention/soft_cap.inl"
#include "backends/cpu/attention/tile_product.inl"
#include "backends/cpu/attention/transpose.inl"
#include "backends/cpu/math.inl"

#ifndef QL_CPU_ATTENTION_FORWARD_ONCE
#define QL_CPU_ATTENTION_FORWARD_ONCE
#include <cmath>

namespace ql::cpu {

/// Rows of a task, about; a multiple of the tile's.
inline constexpr int64_t kTaskRows = 192;

/// A thread's buffers.
struct ForwardWork {
    float *q, *o;          // [rows][d], [rows][width]
    float *top, *sum;      // [rows]: largest score so far; [rows][kPad]: partial sums of probabilities, by lane
    int32_t *begin, *end;  // [rows]: ranges of keys
    float *v, *p;          // [kKeyBlock][width]; [kMaxTileRows][kKeyBlock]

    ForwardWork(Carver & carve, const AttentionShape & s, int64_t rows)
        : q(carve.take<float>(rows * s.d)),
          o(carve.take<float>(rows * s.width())),
          top(carve.take<float>(rows)),
          sum(carve.take<float>(rows * kPad)),
          begin(carve.take<int32_t>(rows)),
          end(carve.take<int32_t>(rows)),
          v(carve.take<float>(kKeyBlock * s.width())),
          p(carve.take<float>(kMaxTileRows * kKeyBlock)) {}
};

struct ForwardJob {
    AttentionShape s;
    const float *q, *k, *v;
    const int32_t * span;
    float *o, *lse;
    int64_t queries, query_blocks;  // of a block; blocks
    float * keys;                   // transposed blocks of K
    std::byte * work;
    size_t work_bytes;  // of a thread

    ForwardWork work_of(int thread) const {
        Carver carve(work + work_bytes * static_cast<size_t>(thread));
        return ForwardWork(carve, s, queries * s.group());
    }
};

}  // namespace ql::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {
static_assert(kTileRows <= kMaxTileRows);

void transpose_keys(const ForwardJob & job, int64_t task) {
    const AttentionShape & s = job.s;
    const int64_t kv = task / s.seen_blocks(), block = s.first_block + task % s.seen_blocks();
    const int64_t first = block * kKeyBlock;
    transpose_block(job.k + s.key(first, kv), s.key_stride(), HWY_MIN(kKeyBlock, s.n_keys - first), s.d,
                    job.keys + (kv * s.key_blocks() + block) * s.d * kKeyBlock);
}

/// Scales the scores of a row, columns [first, last) in whole vectors; those outside [lo, hi) become -inf. Returns the
/// largest, or -inf.
HWY_INLINE float scale_row(float * p, int64_t first, int64_t last, int64_t lo, int64_t hi, float scale) {
    const Vec factor = hn::Set(kF32, scale), none = hn::Set(kF32, -INFINITY);
    Vec largest = none;
    for (int64_t j = first; j < last; j += kLanes) {
        Vec x = hn::Mul(hn::LoadU(kF32, p + j), factor);
        if (j < lo || j + kLanes > hi) {
            const Vec index = hn::Iota(kF32, static_cast<float>(j));
            x = hn::IfThenElse(hn::Ge(index, hn::Set(kF32, static_cast<float>(lo))), x, none);
            x = hn::IfThenElse(hn::Lt(index, hn::Set(kF32, static_cast<float>(hi))), x, none);
        }
        hn::StoreU(x, kF32, p + j);
        largest = hn::Max(largest, x);
    }
    return hn::GetLane(hn::MaxOfLanes(kF32, largest));
}

/// Raises the largest scores of a tile's rows to `seen` where that is more, and rescales what the rows have summed so
/// far to them. base[r]: what to subtract from the scores of row r; 0 for -inf, so that exp(-inf - base) is 0, not NaN.
HWY_INLINE void raise_tops(const ForwardWork & w, int64_t row, int64_t rows, const float * seen, float * base,
                           int64_t width) {
    alignas(64) float shrink[kPad] = {};
    bool changed = false;
    for (int64_t r = 0; r < rows; ++r) {
        const float before = w.top[row + r], now = seen[r] > before ? seen[r] : before;
        base[r] = now == -INFINITY ? 0.0f : now;
        shrink[r] = before - base[r];
        changed |= now != before;
        w.top[row + r] = now;
    }
    if (!changed) return;
    for (int64_t r = 0; r < rows; r += kLanes) hn::Store(vexp(kF32, hn::Load(kF32, shrink + r)), kF32, shrink + r);
    for (int64_t r = 0; r < rows; ++r) {
        const Vec factor = hn::Set(kF32, shrink[r]);
        float *sum = w.sum + (row + r) * kPad, *o = w.o + (row + r) * width;
        hn::StoreU(hn::Mul(hn::LoadU(kF32, sum), factor), kF32, sum);
        for (int64_t i = 0; i < width; i += kLanes) hn::StoreU(hn::Mul(hn::LoadU(kF32, o + i), factor), kF32, o + i);
    }
}

/// Scores of a tile's rows become probabilities relative to each row's largest score so far. Step by step for all rows,
/// so that their chains of instructions overlap: row by row the whole kernel took 14 % longer.
HWY_INLINE void softmax_tile(const ForwardJob & job, const ForwardWork & w, int64_t row, int64_t rows, int64_t base,
                             int64_t first, int64_t last) {
    float seen[kMaxTileRows], subtract[kMaxTileRows];
    const float cap = job.s.cap, scale = cap > 0 ? 1 : job.s.scale;
    for (int64_t r = 0; cap > 0 && r < rows; ++r) cap_scores(w.p + r * kKeyBlock, first, last, job.s.scale, cap);
    for (int64_t r = 0; r < rows; ++r)
        seen[r] = scale_row(w.p + r * kKeyBlock, first, last, w.begin[row + r] - base, w.end[row + r] - base, scale);
    raise_tops(w, row, rows, seen, subtract, job.s.width());
    for (int64_t r = 0; r < rows; ++r) {
        float *p = w.p + r * kKeyBlock, *sum = w.sum + (row + r) * kPad;
        const Vec top = hn::Set(kF32, subtract[r]);
        Vec total = hn::LoadU(kF32, sum);
        for (int64_t j = first; j < last; j += kLanes) {
            const Vec e = vexp(kF32, hn::Sub(hn::LoadU(kF32, p + j), top));
            hn::StoreU(e, kF32, p + j);
            total = hn::Add(total, e);
        }
        hn::StoreU(total, kF32, sum);
    }
}

/// One tile of rows against the block of keys that starts at `base`. `exact`: V holds NaN or Inf, which must not reach
/// rows that do not see them by way of 0 x NaN.
void forward_tile(const ForwardJob & job, const ForwardWork & w, int64_t row, int64_t rows, int64_t base, int64_t lo,
                  int64_t hi, const float * keys, bool exact) {
    const int64_t d = job.s.d, width = job.s.width();
    const int64_t first = lo / kLanes * kLanes, last = (hi + kLanes - 1) / kLanes * kLanes;
    product({w.q + row * d, d, 1}, keys + first, kKeyBlock, d, w.p + first, kKeyBlock, rows, (last - first) / kLanes,
            false);
    softmax_tile(job, w, row, rows, base, first, last);
    if (!exact) {
        product({w.p + lo, kKeyBlock, 1}, w.v + lo * width, width, hi - lo, w.o + row * width, width, rows,
                width / kLanes, true);
        return;
    }
    for (int64_t r = row; r < row + rows; ++r) {
        const int64_t from = HWY_MAX(w.begin[r] - base, lo), to = HWY_MIN(w.end[r] - base, hi);
        const float * p = w.p + (r - row) * kKeyBlock;
        if (from < to)
            product({p + from, kKeyBlock, 1}, w.v + from * width, width, to - from, w.o + r * width, width, 1,
                    width / kLanes, true);
    }
}

/// The union of the ranges of some rows, cut to the block that starts at `base`; empty if lo >= hi.
HWY_INLINE void tile_range(const ForwardWork & w, int64_t row, int64_t rows, int64_t base, int64_t & lo, int64_t & hi) {
    lo = kKeyBlock, hi = 0;
    for (int64_t r = row; r < row + rows; ++r) {
        const int64_t from = HWY_MAX(w.begin[r] - base, int64_t{0}), to = HWY_MIN(w.end[r] - base, kKeyBlock);
        if (from < to) lo = HWY_MIN(lo, from), hi = HWY_MAX(hi, to);
    }
}

void forward_block(const ForwardJob & job, const ForwardWork & w, int64_t rows, int64_t kv, int64_t block) {
    const AttentionShape & s = job.s;
    const int64_t base = block * kKeyBlock;
    const float * keys = job.keys + (kv * s.key_blocks() + block) * s.d * kKeyBlock;
    bool packed = false, finite = true;
    for (int64_t row = 0; row < rows; row += kTileRows) {
        const int64_t n = HWY_MIN(rows - row, int64_t{kTileRows});
        int64_t lo, hi;
        tile_range(w, row, n, base, lo, hi);
        if (lo >= hi) continue;
        if (!packed) {
            finite = pack_rows(job.v + s.key(base, kv), s.key_stride(), HWY_MIN(kKeyBlock, s.n_keys - base), s.d, w.v,
                               s.width());
            packed = true;
        }
        forward_tile(job, w, row, n, base, lo, hi, keys, !finite);
    }
}

void store_row(const ForwardJob & job, const ForwardWork & w, int64_t row, float * o, float * lse) {
    if (w.begin[row] >= w.end[row]) {
        for (int64_t i = 0; i < job.s.d; ++i) o[i] = 0;
        *lse = 0;
        return;
    }
    const float sum = sum_of(hn::LoadU(kF32, w.sum + row * kPad));
    const Vec factor = hn::Set(kF32, 1 / sum);
    for (int64_t i = 0; i < job.s.d; i += kLanes)
        store_part(hn::Mul(hn::LoadU(kF32, w.o + row * job.s.width() + i), factor), o + i, job.s.d - i);
    *lse = w.top[row] + std::log(sum);
}

void forward_task(const ForwardJob & job, int64_t task, int thread) {
    const AttentionShape & s = job.s;
    const int64_t kv = task % s.n_kv, group = s.group(), width = s.width();
    const int64_t t0 = balanced(task / s.n_kv, job.query_blocks) * job.queries,
                  t1 = HWY_MIN(t0 + job.queries, s.n_tokens);
    const int64_t rows = (t1 - t0) * group;
    const ForwardWork w = job.work_of(thread);
    int64_t lo = s.n_keys, hi = 0;
    for (int64_t t = t0; t < t1; ++t) {
        const KeyRange range = key_range(job.span, t, s.n_keys);
        if (range.begin < range.end) lo = HWY_MIN(lo, range.begin), hi = HWY_MAX(hi, range.end);
        std::memcpy(w.q + (t - t0) * group * s.d, job.q + s.query(t, kv),
                    static_cast<size_t>(group * s.d) * sizeof(float));
        for (int64_t r = (t - t0) * group; r < (t - t0 + 1) * group; ++r) {
            w.begin[r] = static_cast<int32_t>(range.begin);
            w.end[r] = static_cast<int32_t>(range.end);
            w.top[r] = -INFINITY;
        }
    }
    std::memset(w.sum, 0, static_cast<size_t>(rows * kPad) * sizeof(float));
    std::memset(w.o, 0, static_cast<size_t>(rows * width) * sizeof(float));
    for (int64_t block = lo / kKeyBlock; block * kKeyBlock < hi; ++block) forward_block(job, w, rows, kv, block);
    for (int64_t r = 0; r < rows; ++r) {
        const int64_t t = t0 + r / group, h = kv * group + r % group;
        store_row(job, w, r, job.o + (t * s.n_heads + h) * s.d, job.lse + t * s.n_heads + h);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {

HWY_EXPORT(transpose_keys);
HWY_EXPORT(forward_task);

int64_t queries_of_block(const AttentionShape & s) {
    return std::min(s.n_tokens, std::max<int64_t>(1, kTaskRows / s.group()));
}

size_t work_bytes(const AttentionShape & s) {
    Carver count;
    ForwardWork(count, s, queries_of_block(s) * s.group());
    return count.used();
}

}  // namespace

size_t attention_blocks_scratch(const AttentionShape & s, int threads) {
    Carver count;
    count.take<float>(s.transposed());
    return count.used() + work_bytes(s) * static_cast<size_t>(threads);
}

Status attention_blocks(const Launch & l) {
    const AttentionShape s = AttentionShape::of_seen_keys(l);
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    ForwardJob job{s, l.x(0), l.x(1), l.x(2), l.ids(3), l.y(0), l.y(1)};
    job.queries = queries_of_block(s);
    job.query_blocks = ceil_div(s.n_tokens, job.queries);
    job.keys = carve.take<float>(s.transposed());
    job.work = l.scratch + carve.used();
    job.work_bytes = work_bytes(s);
    const auto transpose = &HWY_DYNAMIC_DISPATCH(transpose_keys);
    const auto run = &HWY_DYNAMIC_DISPATCH(forward_task);
    pool.run(s.n_kv * s.seen_blocks(), [&](int64_t task, int) { transpose(job, task); });
    pool.run(job.query_blocks * s.n_kv, [&](int64_t task, int thread) { run(job, task, thread); });
    return {};
}

}  // namespace ql::cpu
#endif
