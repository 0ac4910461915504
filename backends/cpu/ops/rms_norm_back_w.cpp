// dw[i] = sum_t x[i, t] r_t dy[i, t], r_t = 1 / sqrt(mean(x_t^2) + eps).
// Split: rows for r, about kPiece elements a task; then kColumnPiece columns a task, each over all rows in order.
// Traffic: x twice, dy once.
#include <cmath>

#include "backends/cpu/device.hpp"
#include "backends/cpu/scratch.hpp"
#include "backends/cpu/split.hpp"
#include "ggml/ops/params.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/rms_norm_back_w.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void inverse_norms(const float * x, float * inverse, int64_t n, int64_t first, int64_t last, float eps) {
    for (int64_t row = first; row < last; ++row)
        inverse[row] = 1 / std::sqrt(dot(x + row * n, x + row * n, n) / static_cast<float>(n) + eps);
}

void sums_of_columns(const float * x, const float * dy, const float * inverse, float * dw, int64_t n, int64_t rows,
                     int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i += kLanes) {
        Vec sum = hn::Zero(kF32);
        for (int64_t row = 0; row < rows; ++row) {
            const int64_t at = row * n + i;
            const Vec normed = hn::Mul(load_part(x + at, last - i), hn::Set(kF32, inverse[row]));
            sum = hn::MulAdd(normed, load_part(dy + at, last - i), sum);
        }
        store_part(sum, dw + i, last - i);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(inverse_norms);
HWY_EXPORT(sums_of_columns);

size_t scratch_rms_norm_back_w(const Node & n, const DeviceImpl &) {
    Carver count;
    count.take<float>(n.src[0]->shape.rows());
    return count.used();
}

Status launch_rms_norm_back_w(const Launch & l) {
    const auto norms = &HWY_DYNAMIC_DISPATCH(inverse_norms);
    const auto sums = &HWY_DYNAMIC_DISPATCH(sums_of_columns);
    const int64_t n = l.in(0).ne(0), rows = l.in(0).shape.rows();
    const float *x = l.x(0), *dy = l.x(1), eps = l.params<RmsNormParams>().eps;
    float * dw = l.y(0);
    Carver carve(l.scratch);
    float * inverse = carve.take<float>(rows);
    Pool & pool = device_of(l).pool;
    split_rows(pool, rows, n, [=](int64_t first, int64_t last) { norms(x, inverse, n, first, last, eps); });
    split(pool, n, kColumnPiece, [=](int64_t first, int64_t last) { sums(x, dy, inverse, dw, n, rows, first, last); });
    return {};
}

}  // namespace

const Kernel kernel::rms_norm_back_w = {launch_rms_norm_back_w, scratch_rms_norm_back_w};

}  // namespace ql::cpu
#endif
