// One Lion step, in place, with a momentum in 8 bits; ggml/ops/lion8bit.cpp has the formula. The bits are the
// reference's, as in adamw8bit.cpp.
// Split: pieces of kPiece elements, which are whole blocks. A block's momentum stays in L1 from its step to its code.
// Traffic: three reads and two writes, 14 bytes a parameter.
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/blockwise_state.hpp"

#ifndef QL_CPU_LION8BIT_ONCE
#define QL_CPU_LION8BIT_ONCE
namespace ql::cpu {
struct Lion8bitJob {
    StepScalars<float> step;
    const float * grad;
    float * p;
    uint8_t * m;
    float * m_absmax;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/lion8bit.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/blockwise_state.inl"
#include "backends/cpu/ops/lion.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Elements [first, last): a block of the state.
HWY_INLINE void lion8bit_block(const Lion8bitJob & job, const LionVectors & vectors, int64_t first, int64_t last) {
    float & absmax = job.m_absmax[first / kStateBlock];
    const Vec scale = hn::Set(kF32, absmax);
    alignas(64) float block[kStateBlock];
    for (int64_t i = first; i < last; i += kLanes) {
        const int64_t n = last - i;
        Vec m = decode_states(kDynamicMapSigned, job.m + i, scale, n);
        store_part(vectors.step(load_part(job.p + i, n), load_part(job.grad + i, n), m), job.p + i, n);
        hn::Store(first_of(m, n), kF32, block + (i - first));
    }
    absmax = encode_states<true>(block, last - first, job.m + first);
}

void lion8bit_piece(const Lion8bitJob & job, int64_t first, int64_t last) {
    const LionVectors vectors(job.step);
    for (int64_t at = first; at < last; at += kStateBlock)
        lion8bit_block(job, vectors, at, HWY_MIN(at + kStateBlock, last));
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
static_assert(kPiece % kStateBlock == 0);
HWY_EXPORT(lion8bit_piece);

Status launch(const Launch & l) {
    const float norm = l.x(4)[0];
    if (!std::isfinite(norm)) return {};
    const Lion8bitJob job{step_scalars<float>(l.x(5), norm, l.params<OptimizerParams>()), l.x(1), l.y(0),
                          static_cast<uint8_t *>(l.out[1]), l.y(2)};
    const auto run = &HWY_DYNAMIC_DISPATCH(lion8bit_piece);
    split(device_of(l).pool, l.in(0).shape.elements(), kPiece,
          [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::lion8bit = {launch};

}  // namespace ql::cpu
#endif
