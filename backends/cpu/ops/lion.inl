// An element of Lion's step for a vector of them. Products are rounded before they are added, as in the reference: a
// sign must not depend on the instruction set.
#if defined(QL_CPU_LION_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_LION_INL
#undef QL_CPU_LION_INL
#else
#define QL_CPU_LION_INL
#endif

#include "backends/cpu/vec.inl"
#include "ggml/ops/optimizer.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

struct LionVectors {
    Vec clip, b1, c1, b2, c2, lr, keep;
    explicit LionVectors(const StepScalars<float> & s)
        : clip(hn::Set(kF32, s.clip)),
          b1(hn::Set(kF32, s.b1)),
          c1(hn::Set(kF32, s.c1)),
          b2(hn::Set(kF32, s.b2)),
          c2(hn::Set(kF32, s.c2)),
          lr(hn::Set(kF32, s.lr)),
          keep(hn::Set(kF32, s.keep)) {}

    /// p after the step; m becomes the new momentum.
    HWY_INLINE Vec step(Vec p, Vec grad, Vec & m) const {
        const Vec g = hn::Mul(clip, grad);
        const Vec mean = hn::Add(hn::Mul(b1, m), hn::Mul(c1, g));
        const Vec signed_lr = hn::IfThenZeroElse(hn::Eq(mean, hn::Zero(kF32)), hn::CopySign(lr, mean));
        m = hn::Add(hn::Mul(b2, m), hn::Mul(c2, g));
        return hn::Sub(hn::Mul(p, keep), signed_lr);
    }
};

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
