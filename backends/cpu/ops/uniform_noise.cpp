// y = x + amplitude u; ggml/ops/noise_words.hpp says what u is. The bits are the reference's on every instruction set.
// Split: rows, about kPiece elements at a time; any element's noise stands alone. Works in place.
// Traffic: a read and a write.
#include "ggml/ops/noise_words.hpp"
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#ifndef QL_CPU_UNIFORM_NOISE_ONCE
#define QL_CPU_UNIFORM_NOISE_ONCE
namespace ql::cpu {
struct NoiseJob {
    NoiseWords noise;
    const float *x, *amplitude;
    float * y;
    int64_t n;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/uniform_noise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/philox.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// Elements [first, last) of row t.
HWY_INLINE void add_singly(const NoiseJob & job, int64_t t, int64_t first, int64_t last) {
    const float amplitude = job.amplitude[t];
    for (int64_t i = first; i < last; ++i)
        job.y[t * job.n + i] =
            job.x[t * job.n + i] + amplitude * NoiseWords::unit(job.noise.word(job.noise.element(t, job.n, i)));
}

#if HWY_TARGET == HWY_SCALAR
void add_noise(const NoiseJob & job, int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) add_singly(job, t, 0, job.n);
}
#else
/// NoiseWords::unit of each word.
HWY_INLINE Vec unit(VecU32 words) {
    const VecU32 odd = hn::Or(hn::ShiftLeft<1>(hn::ShiftRight<8>(words)), hn::Set(kU32, 1));
    const auto centred = hn::Sub(hn::BitCast(kI32, odd), hn::Set(kI32, 1 << 24));
    return hn::Mul(hn::ConvertTo(kF32, centred), hn::Set(kF32, 0x1p-24f));
}

void add_to_row(const NoiseJob & job, int64_t t) {
    constexpr int64_t kStep = 4 * kBlocks;
    alignas(64) uint32_t words[kStep];
    const Vec amplitude = hn::Set(kF32, job.amplitude[t]);
    const float * x = job.x + t * job.n;
    float * y = job.y + t * job.n;
    int64_t i = HWY_MIN(job.n, static_cast<int64_t>(-job.noise.element(t, job.n, 0) % 4));
    add_singly(job, t, 0, i);
    for (; i + kStep <= job.n; i += kStep) {
        const PhiloxCounter counter = job.noise.counter(job.noise.element(t, job.n, i) / 4);
        if (philox_overflows(counter)) {
            add_singly(job, t, i, i + kStep);
            continue;
        }
        philox_words(counter, job.noise.key(), words);
        for (int64_t j = 0; j < kStep; j += kLanes) {
            const Vec noise = hn::Mul(amplitude, unit(hn::Load(kU32, words + j)));
            hn::StoreU(hn::Add(hn::LoadU(kF32, x + i + j), noise), kF32, y + i + j);
        }
    }
    add_singly(job, t, i, job.n);
}

void add_noise(const NoiseJob & job, int64_t first, int64_t last) {
    for (int64_t t = first; t < last; ++t) add_to_row(job, t);
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(add_noise);

Status launch_uniform_noise(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(add_noise);
    const NoiseJob job{NoiseWords(l.params<UniformNoiseParams>(), l.ids(2)), l.x(0), l.x(1), l.y(0), l.in(0).ne(0)};
    split_rows(device_of(l).pool, l.in(0).ne(1), job.n, [&](int64_t first, int64_t last) { run(job, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::uniform_noise = {launch_uniform_noise};

}  // namespace ql::cpu
#endif
