// Peak rates, by kernels that do nothing else, with 24 independent accumulators, as many as the product kernels have.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "bench/peak.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Returns the number of floating-point operations. Every sum starts elsewhere, or the compiler would merge them.
double multiply_adds(int64_t rounds, float * out) {
    const hn::CappedTag<float, 16> d;
    constexpr int kSums = HWY_MAX_BYTES == 32 ? 12 : 24;
    hn::Vec<decltype(d)> sum[kSums];
    const auto x = hn::Set(d, out[0]), y = hn::Set(d, out[1]);
    HWY_UNROLL(24)
    for (int i = 0; i < kSums; ++i) sum[i] = hn::Set(d, out[2 + i]);
    for (int64_t r = 0; r < rounds; ++r) {
        HWY_UNROLL(24)
        for (int i = 0; i < kSums; ++i) sum[i] = hn::MulAdd(x, y, sum[i]);
    }
    for (int i = 0; i < kSums; ++i) hn::StoreU(hn::Add(sum[i], hn::LoadU(d, out + 2)), d, out + 2);
    return 2.0 * kSums * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

/// Reads n floats.
double read(const float * p, int64_t n, float * out) {
    const hn::CappedTag<float, 16> d;
    const auto lanes = static_cast<int64_t>(hn::Lanes(d));
    auto a = hn::Zero(d), b = a, c = a, e = a;
    for (int64_t i = 0; i + 4 * lanes <= n; i += 4 * lanes) {
        a = hn::Add(a, hn::LoadU(d, p + i));
        b = hn::Add(b, hn::LoadU(d, p + i + lanes));
        c = hn::Add(c, hn::LoadU(d, p + i + 2 * lanes));
        e = hn::Add(e, hn::LoadU(d, p + i + 3 * lanes));
    }
    hn::StoreU(hn::Add(hn::Add(a, b), hn::Add(c, e)), d, out);
    return static_cast<double>(n) * sizeof(float);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ql::cpu {
HWY_EXPORT(multiply_adds);
HWY_EXPORT(read);
namespace {

#if defined(__x86_64__)
[[gnu::target("avx512f,avx512bf16"), gnu::optimize("O3")]] double dot_products(int64_t rounds, float * out) {
    __m512 sum[24];
    const __m512bh x = (__m512bh)_mm512_set1_ps(out[0]), y = (__m512bh)_mm512_set1_ps(out[1]);
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) sum[i] = _mm512_set1_ps(out[2 + i]);
    for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 24
        for (int i = 0; i < 24; ++i) sum[i] = _mm512_dpbf16_ps(sum[i], x, y);
    }
#pragma GCC unroll 24
    for (int i = 0; i < 24; ++i) _mm512_storeu_ps(out + 2, _mm512_add_ps(_mm512_loadu_ps(out + 2), sum[i]));
    return 4.0 * 24 * 16 * static_cast<double>(rounds);
}
#else
double dot_products(int64_t, float *) {
    return 0;
}
#endif

/// The best rate of all threads together in 10^9 a second; f(thread) does some work and returns its amount.
template <typename F>
double best_rate(Pool & pool, const F & f) {
    double best = 0;
    for (int i = 0; i < 200; ++i) {
        std::vector<double> done(static_cast<size_t>(pool.threads()) * 8);
        const Stopwatch watch(pool);
        pool.run(pool.threads(), [&](int64_t task, int) { done[static_cast<size_t>(task) * 8] = f(task); });
        double sum = 0;
        for (const double x : done) sum += x;
        best = std::max(best, 1e-9 * sum / watch.seconds());
    }
    return best;
}

}  // namespace

double peak_gflops(Pool & pool, bool bf16) {
    std::vector<float> out(static_cast<size_t>(pool.threads()) * 64);
    const auto f32 = HWY_DYNAMIC_DISPATCH(multiply_adds);
    return best_rate(pool, [&](int64_t task) { return (bf16 ? dot_products : f32)(20000, out.data() + task * 64); });
}

double peak_read(Pool & pool) {
    constexpr int64_t n = 1 << 25;  // 128 MiB
    static const std::vector<float> memory(static_cast<size_t>(n), 1.0f);
    std::vector<float> out(static_cast<size_t>(pool.threads()) * 64);
    const auto f = HWY_DYNAMIC_DISPATCH(read);
    const int64_t share = n / pool.threads();
    return best_rate(pool,
                     [&](int64_t task) { return f(memory.data() + task * share, share, out.data() + task * 64); });
}

}  // namespace ql::cpu
#endif
