// c_i = g_i / |W_i + s (B A)_i|.
// Split: rows, about kPiece elements of B a task; a row's sum is that of row_sums.inl. Traffic: three reads of [r, m].
#include <cmath>

#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/params.hpp"

#ifndef QL_CPU_DORA_JOB
#define QL_CPU_DORA_JOB
namespace ql::cpu {
struct DoraJob {
    const float *g, *w2, *c, *p, *b;
    float *scale, *inverse;
    int64_t r;
    float s;
};
}  // namespace ql::cpu
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/dora_scale.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void dora_rows(const DoraJob & d, int64_t first, int64_t last) {
    const Vec two_s = hn::Set(kF32, 2 * d.s), s_squared = hn::Set(kF32, d.s * d.s);
    for (int64_t i = first; i < last; ++i) {
        Vec sum = hn::Zero(kF32);
        for (int64_t j = 0; j < d.r; j += kLanes) {
            const int64_t at = i * d.r + j, n = d.r - j;
            const Vec inner = hn::MulAdd(two_s, load_part(d.c + at, n), hn::Mul(s_squared, load_part(d.p + at, n)));
            sum = hn::MulAdd(load_part(d.b + at, n), inner, sum);
        }
        const float squares = d.w2[i] + sum_of(sum);
        d.inverse[i] = squares > 0 ? 1 / std::sqrt(squares) : squares == squares ? 0.0f : squares;
        d.scale[i] = d.g[i] * d.inverse[i];
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(dora_rows);

Status launch_dora_scale(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(dora_rows);
    const DoraJob d{
        l.x(0), l.x(1), l.x(2), l.x(3), l.x(4), l.y(0), l.y(1), l.in(4).ne(0), l.params<LoraParams>().scale};
    split_rows(device_of(l).pool, l.in(4).ne(1), d.r, [&](int64_t first, int64_t last) { run(d, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::dora_scale = {launch_dora_scale};

}  // namespace ql::cpu
#endif
