// One AdamW step, in place, with moments in 8 bits; ggml/ops/adamw8bit.cpp has the formula. The bits are the
// reference's: products are rounded before they are added, as a code hangs on the last bit of its number.
// Split: pieces of kPiece elements, which are whole blocks. A block's moments stay in L1 from their step to their code.
// Traffic: four reads and three writes, 16 bytes a parameter.
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/blockwise_state.hpp"

#ifndef QL_CPU_ADAMW8BIT_ONCE
#define QL_CPU_ADAMW8BIT_ONCE
namespace ql::cpu {
struct Adamw8bitJob {
    StepScalars<float> step;
    const float * grad;
    float * p;
    uint8_t * m;
    float * m_absmax;
    uint8_t * v;
    float * v_absmax;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/adamw8bit.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/blockwise_state.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Elements [first, last): a block of the states.
HWY_INLINE void adamw8bit_block(const Adamw8bitJob & job, int64_t first, int64_t last) {
    const auto set = [](float x) { return hn::Set(kF32, x); };
    const StepScalars<float> & s = job.step;
    const Vec clip = set(s.clip), b1 = set(s.b1), c1 = set(s.c1), b2 = set(s.b2), c2 = set(s.c2);
    const Vec unbias1 = set(s.unbias1), unbias2 = set(s.unbias2), eps = set(s.eps), lr = set(s.lr), keep = set(s.keep);
    float &m_absmax = job.m_absmax[first / kStateBlock], &v_absmax = job.v_absmax[first / kStateBlock];
    const Vec m_scale = set(m_absmax), v_scale = set(v_absmax);
    alignas(64) float m_block[kStateBlock], v_block[kStateBlock];
    for (int64_t i = first; i < last; i += kLanes) {
        const int64_t n = last - i;
        const Vec g = hn::Mul(clip, load_part(job.grad + i, n));
        const Vec m_before = decode_states(kDynamicMapSigned, job.m + i, m_scale, n);
        const Vec v_before = decode_states(kDynamicMapUnsigned, job.v + i, v_scale, n);
        const Vec m = hn::Add(hn::Mul(b1, m_before), hn::Mul(c1, g));
        const Vec v = hn::Add(hn::Mul(b2, v_before), hn::Mul(c2, hn::Mul(g, g)));
        const Vec step = hn::Div(hn::Mul(m, unbias1), hn::Add(hn::Sqrt(hn::Mul(v, unbias2)), eps));
        store_part(hn::Sub(hn::Mul(load_part(job.p + i, n), keep), hn::Mul(lr, step)), job.p + i, n);
        hn::Store(first_of(m, n), kF32, m_block + (i - first));
        hn::Store(first_of(v, n), kF32, v_block + (i - first));
    }
    m_absmax = encode_states<true>(m_block, last - first, job.m + first);
    v_absmax = encode_states<false>(v_block, last - first, job.v + first);
}

void adamw8bit_piece(const Adamw8bitJob & job, int64_t first, int64_t last) {
    for (int64_t at = first; at < last; at += kStateBlock) adamw8bit_block(job, at, HWY_MIN(at + kStateBlock, last));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
static_assert(kPiece % kStateBlock == 0);
HWY_EXPORT(adamw8bit_piece);

Status launch(const Launch & l) {
    const float norm = l.x(6)[0];
    if (!std::isfinite(norm)) return {};
    const Adamw8bitJob job{step_scalars<float>(l.x(7), norm, l.params<OptimizerParams>()),
                           l.x(1),
                           l.y(0),
                           static_cast<uint8_t *>(l.out[1]),
                           l.y(2),
                           static_cast<uint8_t *>(l.out[3]),
                           l.y(4)};
    const auto run = &HWY_DYNAMIC_DISPATCH(adamw8bit_piece);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::adamw8bit = {launch};

}  // namespace ql::cpu
#endif
