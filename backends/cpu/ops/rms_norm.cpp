// y = w x / sqrt(mean(x^2) + eps).
// Split: rows, about kPiece elements a task; the sum of a row is `dot` in f32. Works in place.
// Traffic: a read and a write; the second look at a row finds it in L1 (up to n = 8192). y may be bf16.
#include <cmath>
#include "backends/cpu/stream.hpp"
#include "ggml/ops/params.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/rms_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

template <typename Y>
void norm_rows(const float * x, const float * w, Y * y, int64_t n, int64_t rows, float eps) {
    for (int64_t r = 0; r < rows; ++r, x += n, y += n) {
        const Vec factor = hn::Set(kF32, 1 / std::sqrt(dot(x, x, n) / static_cast<float>(n) + eps));
        for (int64_t i = 0; i < n; i += kLanes)
            store_part(hn::Mul(hn::Mul(load_part(x + i, n - i), factor), load_part(w + i, n - i)), y + i, n - i);
    }
}

void rms_norm_rows(const float * x, const float * w, StreamOut y, int64_t n, int64_t first, int64_t last, float eps) {
    with_type(y, [&](auto * out) { norm_rows(x + first * n, w, out + first * n, n, last - first, eps); });
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(rms_norm_rows);

Status launch_rms_norm(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(rms_norm_rows);
    const int64_t n = l.in(0).ne(0);
    const float *x = l.x(0), *w = l.x(1), eps = l.params<RmsNormParams>().eps;
    const StreamOut y = stream_out(l, 0);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), n,
               [=](int64_t first, int64_t last) { run(x, w, y, n, first, last, eps); });
    return {};
}

}  // namespace

const Kernel kernel::rms_norm = {.launch = launch_rms_norm, .writes_bf16 = takes_any};

}  // namespace ql::cpu
#endif
