// Attention of few queries against a long cache: the kernel of generation.
//
// Split: tasks are (query, key's head, chunk of kChunk keys); then a task for each row adds its chunks in order.
//   The split over keys depends on the shape alone, and keeps all threads busy where there are few heads.
// Traffic: K and V once each, 2 d floats a key for the G rows of a group, read where they lie: at G = 3 that is
//   1.5 FLOP a byte, so memory (or L2) is the limit and nothing is packed.
// Constants: kChunk 256 keys is 128 KB of K and V at d = 64: 3.4 microseconds a task (38 GB/s from L3, one thread,
//   AVX-512 on Zen 5, 8192 keys, H_kv 3), some times what handing it out costs.
#include "backends/cpu/attention/shape.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/attention/few.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/attention/tile_product.inl"
#include "backends/cpu/math.inl"

#ifndef QL_CPU_ATTENTION_FEW_ONCE
#define QL_CPU_ATTENTION_FEW_ONCE
#include <cmath>

namespace ql::cpu {

inline constexpr int64_t kChunk = 256;

struct FewJob {
    AttentionShape s;
    const float *q, *k, *v;
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

/// scores[j] = scale q . k_j for n keys; returns the largest.
HWY_INLINE float score_row(const float * q, const float * k, int64_t stride, int64_t d, int64_t n, float scale,
                           float * scores) {
    float top = -INFINITY;
    for (int64_t j = 0; j < n; ++j) {
        scores[j] = scale * dot(q, k + j * stride, d);
        top = std::fmax(top, scores[j]);
    }
    return top;
}

/// scores[j] = exp(scores[j] - base); returns their sum.
HWY_INLINE float exponentials(float * scores, int64_t n, float base) {
    Vec sum = hn::Zero(kF32);
    for (int64_t j = 0; j < n; j += kLanes) {
        const Vec x = load_part(scores + j, n - j);
        Vec e = vexp(kF32, hn::Sub(x, hn::Set(kF32, base)));
        if (j + kLanes > n) e = hn::IfThenElseZero(hn::FirstN(kF32, static_cast<size_t>(n - j)), e);
        store_part(e, scores + j, n - j);
        sum = hn::Add(sum, e);
    }
    return sum_of(sum);
}

/// Columns of V that fill no vector: o[i] = sum_j p[j] v[j, i].
HWY_INLINE void last_columns(const float * p, const float * v, int64_t stride, int64_t n, int64_t first, int64_t d,
                             float * o) {
    Vec sum = hn::Zero(kF32);
    for (int64_t j = 0; j < n; ++j)
        sum = hn::MulAdd(hn::Set(kF32, p[j]), load_part(v + j * stride + first, d - first), sum);
    hn::StoreU(sum, kF32, o + first);
}

void few_task(const FewJob & job, int64_t task, int thread) {
    const AttentionShape & s = job.s;
    const int64_t chunk = task % job.chunks(), kv = task / job.chunks() % s.n_kv, t = task / job.chunks() / s.n_kv;
    const int64_t group = s.group(), d = s.d, whole = d / kLanes;
    const KeyRange range = key_range(job.span, t, s.n_keys);
    const int64_t from = HWY_MAX(range.begin, chunk * kChunk), to = HWY_MIN(range.end, (chunk + 1) * kChunk);
    if (from >= to) return;
    const int64_t n = to - from, stride = s.key_stride();
    const float *k = job.k + s.key(from, kv), *v = job.v + s.key(from, kv);
    float * scores = job.scores + thread * group * kChunk;
    for (int64_t g = 0; g < group; ++g) {
        float *row = scores + g * kChunk, *part = job.part(t, kv * group + g, chunk);
        const float top = score_row(job.q + s.query(t, kv) + g * d, k, stride, d, n, s.scale, row);
        part[s.width()] = top;
        part[s.width() + 1] = exponentials(row, n, top == -INFINITY ? 0.0f : top);
        if (whole * kLanes < d) last_columns(row, v, stride, n, whole * kLanes, d, part);
    }
    float * first = job.part(t, kv * group, chunk);
    product({scores, kChunk, 1}, v, stride, n, first, job.chunks() * job.part_size(), group, whole, false);
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

FewJob make_job(const AttentionShape & s, Carver & carve, int threads) {
    FewJob job{s};
    job.parts = carve.take<float>(s.n_tokens * s.n_heads * job.chunks() * job.part_size());
    job.scores = carve.take<float>(threads * s.group() * kChunk);
    return job;
}

}  // namespace

size_t attention_few_scratch(const AttentionShape & s, int threads) {
    Carver count;
    make_job(s, count, threads);
    return count.used();
}

Status attention_few(const Launch & l) {
    Pool & pool = device_of(l).pool;
    Carver carve(l.scratch);
    FewJob job = make_job(AttentionShape(l.node), carve, pool.threads());
    job.q = l.x(0), job.k = l.x(1), job.v = l.x(2), job.span = l.ids(3), job.o = l.y(0), job.lse = l.y(1);
    const auto run = &HWY_DYNAMIC_DISPATCH(few_task);
    const auto join = &HWY_DYNAMIC_DISPATCH(few_join);
    pool.run(job.s.n_tokens * job.s.n_kv * job.chunks(), [&](int64_t task, int thread) { run(job, task, thread); });
    pool.run(job.s.n_tokens * job.s.n_heads, [&](int64_t row, int) { join(job, row); });
    return {};
}

}  // namespace ql::cpu
#endif
