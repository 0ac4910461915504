// The soft cap of attention's scores, rows of whole vectors, in passes of their own: models without one run the code that
// they would run if there were none.
#if defined(QL_CPU_ATTENTION_SOFT_CAP_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_ATTENTION_SOFT_CAP_INL
#undef QL_CPU_ATTENTION_SOFT_CAP_INL
#else
#define QL_CPU_ATTENTION_SOFT_CAP_INL
#endif

#include <hwy/contrib/math/math-inl.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// p = cap tanh(scale p / cap), columns [first, last).
inline void cap_scores(float * p, int64_t first, int64_t last, float scale, float cap) {
    const Vec inner = hn::Set(kF32, scale / cap), outer = hn::Set(kF32, cap);
    for (int64_t j = first; j < last; j += kLanes)
        hn::StoreU(hn::Mul(outer, hn::Tanh(kF32, hn::Mul(hn::LoadU(kF32, p + j), inner))), kF32, p + j);
}

/// The same, and the slopes of the capped scores by q . k.
inline void cap_scores(float * p, float * slope, int64_t first, int64_t last, float scale, float cap) {
    cap_scores(p, first, last, scale, cap);
    const Vec inverse = hn::Set(kF32, 1 / cap), factor = hn::Set(kF32, scale);
    for (int64_t j = first; j < last; j += kLanes) {
        const Vec part = hn::Mul(hn::LoadU(kF32, p + j), inverse);
        hn::StoreU(hn::Mul(factor, hn::NegMulAdd(part, part, hn::Set(kF32, 1))), kF32, slope + j);
    }
}

inline void multiply_scores(float * p, const float * by, int64_t first, int64_t last) {
    for (int64_t j = first; j < last; j += kLanes)
        hn::StoreU(hn::Mul(hn::LoadU(kF32, p + j), hn::LoadU(kF32, by + j)), kF32, p + j);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
