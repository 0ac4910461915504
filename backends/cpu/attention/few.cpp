// Attention of few queries against a long cache: the kernel of generation.
//
// Split: tasks are (query, chunk of kChunk keys, key's head); then a task for each row adds its chunks in order.
//   The split over keys depends on the shape alone, and keeps all threads busy where there are few heads; a chunk's
//   heads follow each other, as they do in memory.
// Traffic: K and V once each, read where they lie and widened on the way if they are f16: 4 d bytes a key for the rows
//   of a group, which share it in registers; with G = 3, 3 FLOP a byte. Nothing is packed; memory is the limit.
// Constants: SmolLM2-135M (d 64, H 9/3), f16, two threads, AVX-512 on Zen 5, ms a token at 544 and 4128 keys, 96 MB of
//   cache: kAhead 0, 16, 32, 64, 128 give 6.6, 3.0, 2.6, 2.4, 2.6 at 4128, where 2.4 is 39 of 48 GB/s that can be
//   read; kChunk 64, 256 give .57, .38 at 544, and the same at 4128.
#include "backends/cpu/attention/shape.hpp"
#include "ql/ops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/attention/few.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/attention/soft_cap.inl"
#include "backends/cpu/math.inl"
#include "backends/cpu/vec.inl"

#ifndef QL_CPU_ATTENTION_FEW_ONCE
#define QL_CPU_ATTENTION_FEW_ONCE
#include <cmath>

namespace ql::cpu {

inline constexpr int64_t kChunk = 256;
static_assert(QL_KEYS_APART % kChunk == 0);
/// Keys between the one that is read and the one that is fetched.
inline constexpr int64_t kAhead = 64;

struct FewJob {
    AttentionShape s;
    const float * q;
    const void *k, *v;
    bool f16;  // k and v
    const int32_t * span;
    float *o, *lse;
    float * parts;   // [query][head][chunk][width + kPad]: o not yet divided, then largest score and sum
    float * scores;  // [thread][group][kChunk]

    int64_t chunks() const { return ceil_div(s.n_keys, kChunk); }
    int64_t part_size() const { return s.width() + kPad; }
    float * part(int64_t t, int64_t head, int64_t chunk) const {
        return parts + ((t * s.n_heads + head) * chunks() + chunk) * part_size();
    }
};

}  // namespace ql::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Rows of a group that share a key: with 4 keys, or 4 vectors of a value, their sums are in 16 or 12 registers.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_NEON
constexpr int kRows = 4;
#else
constexpr int kRows = 3;
#endif
constexpr int kTogether = 4;

/// n keys (or values) of a head, `stride` numbers apart.
template <typename T>
struct Keys {
    const T * p;
    int64_t stride, n, d;
};

/// Rows of a chunk's keys that follow each other: one run where there are no pages, or where pages follow each other.
struct Run {
    int64_t row, n;
};
struct Runs {
    Run list[kChunk / kLeastPage];
    int64_t count = 0;
};

HWY_INLINE Runs find_runs(const KeyRows & rows, int64_t from, int64_t to) {
    Runs runs;
    for (int64_t end; from < to; from = end) {
        const int64_t row = rows.row(from);
        end = rows.pages ? (from | (rows.page() - 1)) + 1 : to;
        while (end < to && rows.row(end) == row + end - from) end += rows.page();
        end = HWY_MIN(end, to);
        runs.list[runs.count++] = {row, end - from};
    }
    return runs;
}

/// The keys, or values, of a chunk as one head sees them.
template <typename T>
struct ChunkKeys {
    const T * head;  // of row 0
    int64_t stride, d;
    Runs runs;

    Keys<T> operator[](int64_t i) const { return {head + runs.list[i].row * stride, stride, runs.list[i].n, d}; }
};

/// Asks for n numbers ahead: a head's part of a key is too short, and the next too far away, for the processor to see
/// a pattern.
template <typename T>
HWY_INLINE void fetch(const T * p, int64_t n) {
    for (int64_t i = 0; i < n; i += 64 / int64_t{sizeof(T)}) __builtin_prefetch(p + i);
}

/// x[r][i] = q_r * k_{j + i}, not yet summed over the lanes; the last key stands in for those that are not there.
template <int R, typename T>
HWY_INLINE void multiply_keys(const float * q, const Keys<T> & keys, int64_t j, Vec (&x)[R][kTogether]) {
    const T * k[kTogether];
#pragma GCC unroll 4
    for (int i = 0; i < kTogether; ++i) {
        k[i] = keys.p + HWY_MIN(j + i, keys.n - 1) * keys.stride;
        fetch(k[i] + kAhead * keys.stride, keys.d);
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) x[r][i] = hn::Zero(kF32);
    }
    for (int64_t at = 0; at < keys.d; at += kLanes) {
        Vec left[R];
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) left[r] = load_part(q + r * keys.d + at, keys.d - at);
#pragma GCC unroll 4
        for (int i = 0; i < kTogether; ++i) {
            const Vec key = load_part(k[i] + at, keys.d - at);
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) x[r][i] = hn::MulAdd(left[r], key, x[r][i]);
        }
    }
}

// scores[r][j] = scale q_r . k_j, in whole vectors: the last key's score again behind the n.
#if HWY_TARGET == HWY_SCALAR
template <int R, typename T>
HWY_INLINE void find_scores(const float * q, const Keys<T> & keys, float scale, float * scores) {
    for (int64_t j = 0; j < keys.n; j += kTogether) {
        Vec x[R][kTogether];
        multiply_keys<R>(q, keys, j, x);
        for (int r = 0; r < R; ++r)
            for (int i = 0; i < kTogether; ++i) scores[r * kChunk + j + i] = scale * hn::GetLane(x[r][i]);
    }
}
#else
/// Sums of neighbours, those of a before those of b: log2(n) levels of this turn n vectors into one of their n sums.
HWY_INLINE Vec add_pairs(Vec a, Vec b) {
    return hn::Add(hn::ConcatEven(kF32, b, a), hn::ConcatOdd(kF32, b, a));
}

template <int R, typename T>
HWY_INLINE void find_scores(const float * q, const Keys<T> & keys, float scale, float * scores) {
    for (int64_t j = 0; j < keys.n; j += kLanes) {
        Vec sum[kLanes / kTogether][R];  // a quarter of the lanes belongs to one key
        for (int64_t i = 0; i < kLanes / kTogether; ++i) {
            Vec x[R][kTogether];
            multiply_keys<R>(q, keys, j + i * kTogether, x);
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) sum[i][r] = add_pairs(add_pairs(x[r][0], x[r][1]), add_pairs(x[r][2], x[r][3]));
        }
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
            Vec all = sum[0][r];
            if constexpr (kLanes == 8) all = add_pairs(all, sum[1][r]);
            if constexpr (kLanes == 16) all = add_pairs(add_pairs(all, sum[1][r]), add_pairs(sum[2][r], sum[3][r]));
            hn::StoreU(hn::Mul(all, hn::Set(kF32, scale)), kF32, scores + r * kChunk + j);
        }
    }
}
#endif

/// scores[j] = exp(scores[j] - top); returns their sum.
HWY_INLINE float exponentials(float * scores, int64_t n, float & top) {
    Vec largest = hn::LoadU(kF32, scores), sum = hn::Zero(kF32);
    for (int64_t j = kLanes; j < n; j += kLanes) largest = hn::Max(largest, hn::LoadU(kF32, scores + j));
    top = hn::GetLane(hn::MaxOfLanes(kF32, largest));
    const Vec base = hn::Set(kF32, top == -INFINITY ? 0.0f : top);
    for (int64_t j = 0; j < n; j += kLanes) {
        Vec e = vexp(kF32, hn::Sub(hn::LoadU(kF32, scores + j), base));
        if (j + kLanes > n) e = hn::IfThenElseZero(hn::FirstN(kF32, static_cast<size_t>(n - j)), e);
        hn::StoreU(e, kF32, scores + j);
        sum = hn::Add(sum, e);
    }
    return sum_of(sum);
}

/// sum[r][i] += sum_j p[r][j] v_j, V vectors from column `at` on.
template <int R, int V, typename T>
HWY_INLINE void add_values(const float * p, const Keys<T> & values, int64_t at, Vec (&sum)[R][V]) {
    for (int64_t j = 0; j < values.n; ++j) {
        const T * v = values.p + j * values.stride + at;
        fetch(v + kAhead * values.stride, V * kLanes);
        Vec left[R];
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) left[r] = hn::Set(kF32, p[r * kChunk + j]);
#pragma GCC unroll 4
        for (int i = 0; i < V; ++i) {
            const Vec x = load_part(v + i * kLanes, V == 1 ? values.d - at : kLanes);
#pragma GCC unroll 4
            for (int r = 0; r < R; ++r) sum[r][i] = hn::MulAdd(left[r], x, sum[r][i]);
        }
    }
}

/// V vectors of o from column `at` on: o[r] = sum_j p[r][j] v_j.
template <int R, int V, typename T>
HWY_INLINE void add_columns(const float * p, const ChunkKeys<T> & values, int64_t at, float * o, int64_t o_stride) {
    Vec sum[R][V];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int i = 0; i < V; ++i) sum[r][i] = hn::Zero(kF32);
    for (int64_t i = 0; i < values.runs.count; p += values.runs.list[i++].n) add_values<R, V>(p, values[i], at, sum);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int i = 0; i < V; ++i) hn::StoreU(sum[r][i], kF32, o + r * o_stride + at + i * kLanes);
}

/// Scores of R rows with a chunk's keys, run by run; returns how many. What a run's last vector writes behind its keys
/// is overwritten by the next run; behind the last run its last score is repeated, as if the chunk were one run.
template <int R, typename T>
HWY_INLINE int64_t find_chunk_scores(const float * q, const ChunkKeys<T> & keys, float scale, float * scores) {
    int64_t n = 0;
    for (int64_t i = 0; i < keys.runs.count; n += keys.runs.list[i++].n) find_scores<R>(q, keys[i], scale, scores + n);
    for (int64_t j = n; keys.runs.count > 1 && j % kLanes; ++j)
        for (int r = 0; r < R; ++r) scores[r * kChunk + j] = scores[r * kChunk + n - 1];
    return n;
}

/// R rows of a group, or as many as there are if fewer, against the keys of a chunk; their parts follow each other by
/// `stride`.
template <int R, typename T>
HWY_INLINE void attend_rows(int64_t rows, const FewJob & job, const float * q, const ChunkKeys<T> & k,
                            const ChunkKeys<T> & v, float * scores, float * part, int64_t stride) {
    if constexpr (R > 1)
        if (rows < R) return attend_rows<R - 1>(rows, job, q, k, v, scores, part, stride);
    const int64_t n = find_chunk_scores<R>(q, k, job.s.scale, scores);
    for (int r = 0; job.s.cap > 0 && r < R; ++r) cap_scores(scores + r * kChunk, 0, n, 1, job.s.cap);
    for (int r = 0; r < R; ++r) {
        float * last = part + r * stride + job.s.width();
        last[1] = exponentials(scores + r * kChunk, n, last[0]);
    }
    int64_t at = 0;
    for (; at + 4 * kLanes <= v.d; at += 4 * kLanes) add_columns<R, 4>(scores, v, at, part, stride);
    for (; at < v.d; at += kLanes) add_columns<R, 1>(scores, v, at, part, stride);
}

template <typename T>
void attend(const FewJob & job, int64_t task, int thread) {
    const AttentionShape & s = job.s;
    const int64_t kv = task % s.n_kv, chunk = task / s.n_kv % job.chunks(), t = task / s.n_kv / job.chunks();
    const KeyRange range = key_range(job.span, t, s.n_keys);
    const int64_t from = HWY_MAX(range.begin, chunk * kChunk), to = HWY_MIN(range.end, (chunk + 1) * kChunk);
    if (from >= to) return;
    const int64_t stride = job.chunks() * job.part_size();
    const Runs runs = find_runs(s.rows, from, to);
    const ChunkKeys<T> k{static_cast<const T *>(job.k) + kv * s.d, s.key_stride(), s.d, runs};
    const ChunkKeys<T> v{static_cast<const T *>(job.v) + kv * s.d, s.key_stride(), s.d, runs};
    for (int64_t g = 0; g < s.group(); g += kRows)
        attend_rows<kRows>(s.group() - g, job, job.q + s.query(t, kv) + g * s.d, k, v,
                           job.scores + thread * kRows * kChunk, job.part(t, kv * s.group() + g, chunk), stride);
}

void few_task(const FewJob & job, int64_t task, int thread) {
    job.f16 ? attend<hwy::float16_t>(job, task, thread) : attend<float>(job, task, thread);
}

void few_join(const FewJob & job, int64_t row) {
    const AttentionShape & s = job.s;
    const int64_t t = row / s.n_heads, head = row % s.n_heads;
    const KeyRange range = key_range(job.span, t, s.n_keys);
    float * o = job.o + row * s.d;
    job.lse[row] = 0;
    for (int64_t i = 0; i < s.d; ++i) o[i] = 0;
    if (range.begin >= range.end) return;
    const int64_t c0 = range.begin / kChunk, c1 = (range.end - 1) / kChunk + 1;
    float top = -INFINITY, sum = 0;
    for (int64_t c = c0; c < c1; ++c) top = std::fmax(top, job.part(t, head, c)[s.width()]);
    const float base = top == -INFINITY ? 0.0f : top;
    for (int64_t c = c0; c < c1; ++c) {
        const float * part = job.part(t, head, c);
        const Vec weight = vexp(kF32, hn::Set(kF32, part[s.width()] - base));
        sum += hn::GetLane(weight) * part[s.width() + 1];
        for (int64_t i = 0; i < s.d; i += kLanes)
            store_part(hn::MulAdd(weight, hn::LoadU(kF32, part + i), load_part(o + i, s.d - i)), o + i, s.d - i);
    }
    const Vec factor = hn::Set(kF32, 1 / sum);
    for (int64_t i = 0; i < s.d; i += kLanes) store_part(hn::Mul(load_part(o + i, s.d - i), factor), o + i, s.d - i);
    job.lse[row] = top + std::log(sum);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(few_task);
HWY_EXPORT(few_join);

/// Rows of scores of a thread: the most that any set of instructions takes at once.
constexpr int64_t kScoreRows = 4;

FewJob make_few_job(const AttentionShape & s, Carver & carve, int threads) {
    FewJob job{s};
    job.parts = carve.take<float>(s.n_tokens * s.n_heads * job.chunks() * job.part_size());
    job.scores = carve.take<float>(threads * kScoreRows * kChunk);
    return job;
}

}  // namespace

size_t attention_few_scratch(const AttentionShape & s, int threads) {
    Carver count;
    make_few_job(s, count, threads);
    return count.used();
}

Status attention_few(const Launch & l) {
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    const AttentionShape s = AttentionShape::of_seen_keys(l);
    FewJob job = make_few_job(s, carve, pool.threads());
    job.q = l.x(0), job.k = l.src[1], job.v = l.src[2], job.f16 = l.in(1).dtype == QL_F16;
    job.span = l.ids(3), job.o = l.y(0), job.lse = l.y(1);
    const auto run = &HWY_DYNAMIC_DISPATCH(few_task);
    const auto join = &HWY_DYNAMIC_DISPATCH(few_join);
    pool.run(s.n_tokens * s.n_kv * job.chunks(), [&](int64_t task, int thread) { run(job, task, thread); });
    pool.run(s.n_tokens * s.n_heads, [&](int64_t row, int) { join(job, row); });
    return {};
}

}  // namespace ql::cpu
#endif
