// Softmax over a vocabulary, one source for every instruction set.
//
// Split of work: none, a row is one thread's. Memory traffic: softmax_sum reads the row once - block by block, each
// block twice while it is in L1, first for its maximum; scaled_softmax reads and writes it once. Sums are in f32 within
// a block and lane, in f64 over blocks. Blocks of 1024 logits: 4 KB of L1, and the correction of the sum is rare.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/softmax.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/math.inl"
#include "backends/cpu/vec.inl"
#include "backends/cpu/products/softmax.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

constexpr int64_t kBlock = kSoftmaxBlock;
static_assert(kLogitPad % kLanes == 0);

HWY_INLINE float largest_of(const float * x, int64_t n, float start) {
    Vec most = hn::Set(kF32, start);
    for (int64_t i = 0; i < n; i += kLanes) most = hn::Max(most, hn::LoadU(kF32, x + i));
    return hn::GetLane(hn::MaxOfLanes(kF32, most));
}

HWY_INLINE double exp_sum(const float * x, int64_t n, float largest) {
    Vec sum = hn::Zero(kF32);
    for (int64_t i = 0; i < n; i += kLanes)
        sum = hn::Add(sum, vexp(kF32, hn::Sub(hn::LoadU(kF32, x + i), hn::Set(kF32, largest))));
    return static_cast<double>(hn::GetLane(hn::SumOfLanes(kF32, sum)));
}

SoftmaxSum sum_row(const float * logits, int64_t n) {
    SoftmaxSum s{-std::numeric_limits<float>::infinity(), 0};
    for (int64_t i = 0; i < n; i += kBlock) {
        const int64_t count = std::min(kBlock, n - i);
        const float largest = largest_of(logits + i, count, s.largest);
        if (largest > s.largest) s.sum *= std::exp(static_cast<double>(s.largest) - static_cast<double>(largest));
        s.largest = largest;
        s.sum += exp_sum(logits + i, count, largest);
    }
    return s;
}

void scale_row(float * logits, int64_t n, SoftmaxSum s, float factor) {
    const Vec largest = hn::Set(kF32, s.largest), scale = hn::Set(kF32, static_cast<float>(factor / s.sum));
    for (int64_t i = 0; i < n; i += kLanes)
        hn::StoreU(hn::Mul(vexp(kF32, hn::Sub(hn::LoadU(kF32, logits + i), largest)), scale), kF32, logits + i);
}

// 16 bits.

HWY_INLINE Vec load_f16(const uint16_t * p) {
    return hn::PromoteTo(kF32, hn::LoadU(kF16, reinterpret_cast<const hwy::float16_t *>(p)));
}

HWY_INLINE float largest_f16(const uint16_t * x, int64_t n, float start) {
    Vec most = hn::Set(kF32, start);
    for (int64_t i = 0; i < n; i += kLanes) most = hn::Max(most, load_f16(x + i));
    return hn::GetLane(hn::MaxOfLanes(kF32, most));
}

SoftmaxSum sum_row_f16(uint16_t * logits, int64_t n, float * tops) {
    SoftmaxSum s{-std::numeric_limits<float>::infinity(), 0};
    for (int64_t i = 0; i < n; i += kSoftmaxBlock) {
        const int64_t end = std::min(i + kSoftmaxBlock, n);
        const float largest = largest_f16(logits + i, end - i, s.largest);
        if (largest > s.largest) s.sum *= std::exp(static_cast<double>(s.largest) - static_cast<double>(largest));
        s.largest = largest;
        Vec sum = hn::Zero(kF32);
        auto nan = hn::FirstN(kF32, 0);
        for (int64_t j = i; j < end; j += kLanes) {
            const Vec x = hn::Sub(load_f16(logits + j), hn::Set(kF32, largest)), e = vexp_negative(kF32, x);
            nan = hn::Or(nan, hn::IsNaN(x));
            sum = hn::Add(sum, e);
            if (tops) store_part(e, logits + j, kLanes);
        }
        if (tops) tops[i / kSoftmaxBlock] = largest;
        s.sum += static_cast<double>(hn::GetLane(hn::SumOfLanes(kF32, sum)));
        if (!hn::AllFalse(kF32, nan)) s.sum = std::numeric_limits<double>::quiet_NaN();
    }
    return s;
}

void scale_row_bf16(uint16_t * e, int64_t n, const float * tops, SoftmaxSum s, float factor) {
    for (int64_t i = 0; i < n; i += kSoftmaxBlock) {
        const double shift = std::exp(static_cast<double>(tops[i / kSoftmaxBlock]) - static_cast<double>(s.largest));
        const Vec scale = hn::Set(kF32, static_cast<float>(shift * static_cast<double>(factor) / s.sum));
        for (int64_t j = i; j < std::min(i + kSoftmaxBlock, n); j += kLanes)
            store_part(hn::Mul(load_part(e + j, kLanes), scale), e + j, kLanes);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(sum_row);
HWY_EXPORT(scale_row);
HWY_EXPORT(sum_row_f16);
HWY_EXPORT(scale_row_bf16);

SoftmaxSum softmax_sum(const float * logits, int64_t n) {
    return HWY_DYNAMIC_DISPATCH(sum_row)(logits, n);
}
void scaled_softmax(float * logits, int64_t n, SoftmaxSum s, float factor) {
    HWY_DYNAMIC_DISPATCH(scale_row)(logits, n, s, factor);
}
SoftmaxSum softmax_sum_f16(uint16_t * logits, int64_t n, float * tops) {
    return HWY_DYNAMIC_DISPATCH(sum_row_f16)(logits, n, tops);
}
void scale_exponentials(uint16_t * exponentials, int64_t n, const float * tops, SoftmaxSum s, float factor) {
    HWY_DYNAMIC_DISPATCH(scale_row_bf16)(exponentials, n, tops, s, factor);
}
}  // namespace ql::cpu
#endif
