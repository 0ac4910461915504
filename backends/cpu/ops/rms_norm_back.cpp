// dx = r (w dy) - r^3 x mean(x w dy), r = 1 / sqrt(mean(x^2) + eps).
// Split: rows, about kPiece elements a task. dx may lie in dy's storage: a row is read before it is written.
// Traffic: two reads and a write; the second look at a row finds it in L1 (up to n = 4096).
#include <cmath>
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#include "ggml/ops/params.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/rms_norm_back.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

/// sum_i x[i] w[i] dy[i], two chains.
HWY_INLINE float dot3(const float * x, const float * w, const float * dy, int64_t n) {
    Vec s0 = hn::Zero(kF32), s1 = s0;
    int64_t i = 0;
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
        s0 = hn::MulAdd(hn::Mul(hn::LoadU(kF32, w + i), hn::LoadU(kF32, dy + i)), hn::LoadU(kF32, x + i), s0);
        s1 = hn::MulAdd(hn::Mul(hn::LoadU(kF32, w + i + kLanes), hn::LoadU(kF32, dy + i + kLanes)),
                        hn::LoadU(kF32, x + i + kLanes), s1);
    }
    for (; i < n; i += kLanes)
        s0 = hn::MulAdd(hn::Mul(load_part(w + i, n - i), load_part(dy + i, n - i)), load_part(x + i, n - i), s0);
    return sum_of(hn::Add(s0, s1));
}

/// A row shorter than the longest vector, in f64: there the two terms nearly cancel (at n = 1 up to eps), and f32 would
/// lose what is left.
HWY_INLINE void short_row(const float * x, const float * w, const float * dy, float * dx, int64_t n, double eps) {
    double squares = 0, dot = 0;
    for (int64_t i = 0; i < n; ++i) {
        squares += static_cast<double>(x[i]) * x[i];
        dot += static_cast<double>(x[i]) * w[i] * dy[i];
    }
    const double r = 1 / std::sqrt(squares / static_cast<double>(n) + eps),
                 pull = r * r * r * dot / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i) dx[i] = static_cast<float>(r * w[i] * dy[i] - pull * x[i]);
}

void rms_norm_back_rows(const float * x, const float * w, const float * dy, float * dx, int64_t n, int64_t rows,
                        float eps) {
    for (int64_t row = 0; row < rows; ++row, x += n, dy += n, dx += n) {
        if (n < 16) {
            short_row(x, w, dy, dx, n, static_cast<double>(eps));
            continue;
        }
        const float size = static_cast<float>(n), r = 1 / std::sqrt(dot(x, x, n) / size + eps);
        const Vec factor = hn::Set(kF32, r), pull = hn::Set(kF32, r * r * r * dot3(x, w, dy, n) / size);
        for (int64_t i = 0; i < n; i += kLanes) {
            const Vec direct = hn::Mul(hn::Mul(load_part(w + i, n - i), load_part(dy + i, n - i)), factor);
            store_part(hn::NegMulAdd(pull, load_part(x + i, n - i), direct), dx + i, n - i);
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(rms_norm_back_rows);

Status launch_rms_norm_back(const Launch & l) {
    const auto run = &HWY_DYNAMIC_DISPATCH(rms_norm_back_rows);
    const int64_t n = l.in(0).ne(0);
    const float *x = l.x(0), *w = l.x(1), *dy = l.x(2), eps = l.params<RmsNormParams>().eps;
    float * dx = l.y(0);
    split_rows(device_of(l).pool, l.in(0).shape.rows(), n, [=](int64_t first, int64_t last) {
        run(x + first * n, w, dy + first * n, dx + first * n, n, last - first, eps);
    });
    return {};
}

}  // namespace

const Kernel kernel::rms_norm_back = {launch_rms_norm_back};

}  // namespace ql::cpu
#endif
