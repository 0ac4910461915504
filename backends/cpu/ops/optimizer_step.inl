// Optimizers in vectors: their rules (ggml/ops/optimizer_rules.hpp), and the loops over states of f32 and of 8 bits that
// take any of them. Compiled once for each instruction set; included like vec.inl.
#if defined(QL_CPU_OPTIMIZER_STEP_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef QL_CPU_OPTIMIZER_STEP_INL
#undef QL_CPU_OPTIMIZER_STEP_INL
#else
#define QL_CPU_OPTIMIZER_STEP_INL
#endif

#include "backends/cpu/ops/blockwise_state.inl"
#include "backends/cpu/ops/optimizer_step.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Where a result hangs on the last bit of a sum - a code, a sign - its products are rounded first, as in the reference.
struct RoundsProducts {
    static HWY_INLINE Vec mul_add(Vec a, Vec b, Vec c) { return hn::Add(hn::Mul(a, b), c); }
    static HWY_INLINE Vec neg_mul_add(Vec a, Vec b, Vec c) { return hn::Sub(c, hn::Mul(a, b)); }
};
struct Fuses {
    static HWY_INLINE Vec mul_add(Vec a, Vec b, Vec c) { return hn::MulAdd(a, b, c); }
    static HWY_INLINE Vec neg_mul_add(Vec a, Vec b, Vec c) { return hn::NegMulAdd(a, b, c); }
};

/// The scalars of a step in every lane.
struct StepVectors {
    Vec clip, b1, c1, b2, c2, unbias1, unbias2, eps, lr, keep;
    explicit StepVectors(const StepScalars<float> & s)
        : clip(hn::Set(kF32, s.clip)),
          b1(hn::Set(kF32, s.b1)),
          c1(hn::Set(kF32, s.c1)),
          b2(hn::Set(kF32, s.b2)),
          c2(hn::Set(kF32, s.c2)),
          unbias1(hn::Set(kF32, s.unbias1)),
          unbias2(hn::Set(kF32, s.unbias2)),
          eps(hn::Set(kF32, s.eps)),
          lr(hn::Set(kF32, s.lr)),
          keep(hn::Set(kF32, s.keep)) {}
};

// Each rule's step: p after it; m and v become the new moments. A rule of one moment leaves v alone.

template <typename Sums>
struct AdamwStep {
    static constexpr int kMoments = 2;
    static HWY_INLINE Vec step(const StepVectors & s, Vec p, Vec grad, Vec & m, Vec & v) {
        const Vec g = hn::Mul(grad, s.clip);
        m = Sums::mul_add(s.b1, m, hn::Mul(s.c1, g));
        v = Sums::mul_add(s.b2, v, hn::Mul(s.c2, hn::Mul(g, g)));
        const Vec step = hn::Div(hn::Mul(m, s.unbias1), hn::Add(hn::Sqrt(hn::Mul(v, s.unbias2)), s.eps));
        return Sums::neg_mul_add(s.lr, step, hn::Mul(p, s.keep));
    }
};

struct LionStep {
    static constexpr int kMoments = 1;
    static HWY_INLINE Vec step(const StepVectors & s, Vec p, Vec grad, Vec & m, Vec &) {
        using Sums = RoundsProducts;
        const Vec g = hn::Mul(s.clip, grad);
        const Vec mean = Sums::mul_add(s.b1, m, hn::Mul(s.c1, g));
        const Vec signed_lr = hn::IfThenZeroElse(hn::Eq(mean, hn::Zero(kF32)), hn::CopySign(s.lr, mean));
        m = Sums::mul_add(s.b2, m, hn::Mul(s.c2, g));
        return hn::Sub(hn::Mul(p, s.keep), signed_lr);
    }
};

struct SgdStep {
    static constexpr int kMoments = 1;
    static HWY_INLINE Vec step(const StepVectors & s, Vec p, Vec grad, Vec & m, Vec &) {
        m = hn::MulAdd(s.b1, m, hn::Mul(s.clip, grad));
        return hn::NegMulAdd(s.lr, m, hn::Mul(p, s.keep));
    }
};

/// Elements [first, last) with moments of f32.
template <typename Rule>
HWY_INLINE void step_piece(const OptimizerJob & job, int64_t first, int64_t last) {
    const StepVectors s(job.step);
    auto *m_all = static_cast<float *>(job.states[0]), *v_all = static_cast<float *>(job.states[1]);
    for (int64_t i = first; i < last; i += kLanes) {
        const int64_t n = last - i;
        Vec m = load_part(m_all + i, n), v = hn::Zero(kF32);
        if constexpr (Rule::kMoments == 2) v = load_part(v_all + i, n);
        store_part(Rule::step(s, load_part(job.p + i, n), load_part(job.grad + i, n), m, v), job.p + i, n);
        store_part(m, m_all + i, n);
        if constexpr (Rule::kMoments == 2) store_part(v, v_all + i, n);
    }
}

/// Elements [first, last): a block. Its moments stay in L1 from their step to their code.
template <typename Rule>
HWY_INLINE void step_block_8bit(const OptimizerJob & job, const StepVectors & s, int64_t first, int64_t last) {
    constexpr bool kTwo = Rule::kMoments == 2;
    auto *m_codes = static_cast<uint8_t *>(job.states[0]), *v_codes = static_cast<uint8_t *>(job.states[2]);
    float & m_absmax = static_cast<float *>(job.states[1])[first / kStateBlock];
    float & v_absmax = kTwo ? static_cast<float *>(job.states[3])[first / kStateBlock] : m_absmax;
    const Vec m_scale = hn::Set(kF32, m_absmax), v_scale = hn::Set(kF32, v_absmax);
    alignas(64) float m_block[kStateBlock], v_block[kTwo ? kStateBlock : kLanes];
    for (int64_t i = first; i < last; i += kLanes) {
        const int64_t n = last - i;
        Vec m = decode_states(kDynamicMapSigned, m_codes + i, m_scale, n), v = hn::Zero(kF32);
        if constexpr (kTwo) v = decode_states(kDynamicMapUnsigned, v_codes + i, v_scale, n);
        store_part(Rule::step(s, load_part(job.p + i, n), load_part(job.grad + i, n), m, v), job.p + i, n);
        hn::Store(first_of(m, n), kF32, m_block + (i - first));
        if constexpr (kTwo) hn::Store(first_of(v, n), kF32, v_block + (i - first));
    }
    m_absmax = encode_states<true>(m_block, last - first, m_codes + first);
    if constexpr (kTwo) v_absmax = encode_states<false>(v_block, last - first, v_codes + first);
}

template <typename Rule>
HWY_INLINE void step_piece_8bit(const OptimizerJob & job, int64_t first, int64_t last) {
    const StepVectors s(job.step);
    for (int64_t at = first; at < last; at += kStateBlock)
        step_block_8bit<Rule>(job, s, at, HWY_MIN(at + kStateBlock, last));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#endif
