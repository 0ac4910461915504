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
#include <cstring>
#include <limits>

#include "backends/cpu/math.inl"
#include "backends/cpu/products/softmax.hpp"
#include "ggml/dtypes/half.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr int64_t kN = HWY_LANES(float) > 16 ? 16 : HWY_LANES(float);
constexpr int64_t kBlock = 1024;
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

void scale_row_bf16(float * logits, int64_t n, SoftmaxSum s, float factor) {
    const D d;
    const V largest = hn::Set(d, s.largest), scale = hn::Set(d, static_cast<float>(factor / s.sum));
    auto * out = reinterpret_cast<uint16_t *>(logits);  // never ahead of what is still to be read
    HWY_ALIGN float y[kLogitPad];
    for (int64_t i = 0; i < n; i += kLogitPad) {
        for (int64_t j = 0; j < kLogitPad; j += kN)
            hn::Store(hn::Mul(vexp(d, hn::Sub(hn::LoadU(d, logits + i + j), largest)), scale), d, y + j);
        uint16_t rounded[kLogitPad];
        for (int64_t j = 0; j < kLogitPad; ++j) rounded[j] = f32_to_bf16(y[j]);
        std::memcpy(out + i, rounded, sizeof(rounded));
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(sum_row);
HWY_EXPORT(scale_row);
HWY_EXPORT(scale_row_bf16);

SoftmaxSum softmax_sum(const float * logits, int64_t n) {
    return HWY_DYNAMIC_DISPATCH(sum_row)(logits, n);
}
void scaled_softmax(float * logits, int64_t n, SoftmaxSum s, float factor) {
    HWY_DYNAMIC_DISPATCH(scale_row)(logits, n, s, factor);
}
void scaled_softmax_bf16(float * logits, int64_t n, SoftmaxSum s, float factor) {
    HWY_DYNAMIC_DISPATCH(scale_row_bf16)(logits, n, s, factor);
}
}  // namespace ql::cpu
#endif
