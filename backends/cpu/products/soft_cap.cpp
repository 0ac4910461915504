// Split of work: none, the caller has rows in parallel. Memory traffic: a row, once more than without a cap, and its slopes;
// rows of f16 and bf16 go by pieces through a buffer in L1.
#include "backends/cpu/products/soft_cap.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/soft_cap.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <hwy/contrib/math/math-inl.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void cap_row(float * logits, float * slope, int64_t n, float cap) {
    const Vec inverse = hn::Set(kF32, 1 / cap), outer = hn::Set(kF32, cap), one = hn::Set(kF32, 1);
    for (int64_t i = 0; i < n; i += kLanes) {
        const Vec part = hn::Tanh(kF32, hn::Mul(load_part(logits + i, n - i), inverse));
        store_part(hn::Mul(outer, part), logits + i, n - i);
        if (slope) store_part(hn::NegMulAdd(part, part, one), slope + i, n - i);
    }
}

void multiply_row(float * x, const float * by, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes)
        store_part(hn::Mul(load_part(x + i, n - i), load_part(by + i, n - i)), x + i, n - i);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "ggml/dtypes/half.hpp"

namespace ql::cpu {
namespace {

HWY_EXPORT(cap_row);
HWY_EXPORT(multiply_row);

constexpr int64_t kLogitPiece = 1024;

}  // namespace

void cap_logits(float * logits, float * slope, int64_t n, float cap) {
    HWY_DYNAMIC_DISPATCH(cap_row)(logits, slope, n, cap);
}

void cap_logits_f16(uint16_t * logits, float * slope, int64_t n, float cap) {
    float piece[kLogitPiece];
    for (int64_t first = 0; first < n; first += kLogitPiece) {
        const int64_t count = std::min(kLogitPiece, n - first);
        std::transform(logits + first, logits + first + count, piece, f16_to_f32);
        HWY_DYNAMIC_DISPATCH(cap_row)(piece, slope ? slope + first : nullptr, count, cap);
        std::transform(piece, piece + count, logits + first, f32_to_f16);
    }
}

void multiply_slopes(float * dlogits, const float * slope, int64_t n) {
    HWY_DYNAMIC_DISPATCH(multiply_row)(dlogits, slope, n);
}

void multiply_slopes_bf16(uint16_t * dlogits, const float * slope, int64_t n) {
    float piece[kLogitPiece];
    for (int64_t first = 0; first < n; first += kLogitPiece) {
        const int64_t count = std::min(kLogitPiece, n - first);
        std::transform(dlogits + first, dlogits + first + count, piece, bf16_to_f32);
        HWY_DYNAMIC_DISPATCH(multiply_row)(piece, slope + first, count);
        std::transform(piece, piece + count, dlogits + first, f32_to_bf16);
    }
}

}  // namespace ql::cpu
#endif
