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
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr int64_t kN = HWY_LANES(float) > 16 ? 16 : HWY_LANES(float);
constexpr int64_t kBlock = kSoftmaxBlock;
static_assert(kLogitPad % kN == 0);

HWY_INLINE float largest_of(const float * x, int64_t n, float start) {
    const D d;
    V most = hn::Set(d, start);
    for (int64_t i = 0; i < n; i += kN) most = hn::Max(most, hn::LoadU(d, x + i));
    return hn::GetLane(hn::MaxOfLanes(d, most));
}

HWY_INLINE double exp_sum(const float * x, int64_t n, float largest) {
    const D d;
    V sum = hn::Zero(d);
    for (int64_t i = 0; i < n; i += kN) sum = hn::Add(sum, vexp(d, hn::Sub(hn::LoadU(d, x + i), hn::Set(d, largest))));
    return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
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
    const D d;
    const V largest = hn::Set(d, s.largest), scale = hn::Set(d, static_cast<float>(factor / s.sum));
    for (int64_t i = 0; i < n; i += kN)
        hn::StoreU(hn::Mul(vexp(d, hn::Sub(hn::LoadU(d, logits + i), largest)), scale), d, logits + i);
}

// 16 bits.

using H = hn::Rebind<hwy::float16_t, D>;

HWY_INLINE V load_f16(const uint16_t * p) {
    return hn::PromoteTo(D(), hn::LoadU(H(), reinterpret_cast<const hwy::float16_t *>(p)));
}

/// e^x for x <= 0 within 2e-6 of it, e^-87 below -87, some number for NaN: what is rounded to bf16 or summed up in
/// thousands needs no more. As vexp_bounded, by a polynomial of degree 5.
HWY_INLINE V exp_of_negative(V x) {
    const D d;
    const hn::RebindToSigned<D> di;
    const V rounder = hn::Set(d, 12582912.0f), bounded = hn::Max(x, hn::Set(d, -87.0f));
    const V shifted = hn::MulAdd(bounded, hn::Set(d, 1.44269504f), rounder);
    const V r = hn::NegMulAdd(hn::Sub(shifted, rounder), hn::Set(d, 0.693147181f), bounded);
    V p = hn::Set(d, 1.0f / 120);
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
    p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
    p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
    return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

HWY_INLINE float largest_f16(const uint16_t * x, int64_t n, float start) {
    V most = hn::Set(D(), start);
    for (int64_t i = 0; i < n; i += kN) most = hn::Max(most, load_f16(x + i));
    return hn::GetLane(hn::MaxOfLanes(D(), most));
}

SoftmaxSum sum_row_f16(uint16_t * logits, int64_t n, float * tops) {
    const D d;
    SoftmaxSum s{-std::numeric_limits<float>::infinity(), 0};
    for (int64_t i = 0; i < n; i += kSoftmaxBlock) {
        const int64_t end = std::min(i + kSoftmaxBlock, n);
        const float largest = largest_f16(logits + i, end - i, s.largest);
        if (largest > s.largest) s.sum *= std::exp(static_cast<double>(s.largest) - static_cast<double>(largest));
        s.largest = largest;
        V sum = hn::Zero(d);
        auto nan = hn::FirstN(d, 0);
        for (int64_t j = i; j < end; j += kN) {
            const V x = hn::Sub(load_f16(logits + j), hn::Set(d, largest)), e = exp_of_negative(x);
            nan = hn::Or(nan, hn::IsNaN(x));
            sum = hn::Add(sum, e);
            if (tops) store_part(e, logits + j, kN);
        }
        if (tops) tops[i / kSoftmaxBlock] = largest;
        s.sum += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
        if (!hn::AllFalse(d, nan)) s.sum = std::numeric_limits<double>::quiet_NaN();
    }
    return s;
}

void scale_row_bf16(uint16_t * e, int64_t n, const float * tops, SoftmaxSum s, float factor) {
    for (int64_t i = 0; i < n; i += kSoftmaxBlock) {
        const double shift = std::exp(static_cast<double>(tops[i / kSoftmaxBlock]) - static_cast<double>(s.largest));
        const V scale = hn::Set(D(), static_cast<float>(shift * static_cast<double>(factor) / s.sum));
        for (int64_t j = i; j < std::min(i + kSoftmaxBlock, n); j += kN)
            store_part(hn::Mul(load_part(e + j, kN), scale), e + j, kN);
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
