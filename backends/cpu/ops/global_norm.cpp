// norm = sqrt(sum of squares of all elements of all sources), summed in f64.
// Split: pieces of kPiece elements of each source; a piece's sum is four chains of f64 vectors, the pieces are added in
// order. Traffic: one read.
#include <algorithm>
#include <cmath>
#include "backends/cpu/device.hpp"
#include "backends/cpu/split.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/global_norm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/vec.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

double square_sum(const float * x, int64_t n) {
    const hn::ScalableTag<double> d64;
    const hn::Rebind<float, decltype(d64)> half;
    constexpr int64_t kStep = hn::MaxLanes(d64);
    auto s0 = hn::Zero(d64), s1 = s0, s2 = s0, s3 = s0;
    const auto at = [&](int64_t i) { return hn::PromoteTo(d64, hn::LoadU(half, x + i)); };
    int64_t i = 0;
    for (; i + 4 * kStep <= n; i += 4 * kStep) {
        const auto x0 = at(i), x1 = at(i + kStep), x2 = at(i + 2 * kStep), x3 = at(i + 3 * kStep);
        s0 = hn::MulAdd(x0, x0, s0);
        s1 = hn::MulAdd(x1, x1, s1);
        s2 = hn::MulAdd(x2, x2, s2);
        s3 = hn::MulAdd(x3, x3, s3);
    }
    double rest = 0;
    for (; i < n; ++i) rest += static_cast<double>(x[i]) * x[i];
    return hn::GetLane(hn::SumOfLanes(d64, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)))) + rest;
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(square_sum);

int64_t pieces_of(const Operand & t) {
    return (t.shape.elements() + kPiece - 1) / kPiece;
}

/// A piece's place among all, for each source; then the pieces' sums.
size_t scratch_global_norm(const Node & n, const DeviceImpl &) {
    int64_t pieces = 0;
    for (const Operand * t : n.src) pieces += pieces_of(*t);
    return (n.src.size() + 1) * sizeof(int64_t) + static_cast<size_t>(pieces) * sizeof(double);
}

Status launch_global_norm(const Launch & l) {
    const auto sum = &HWY_DYNAMIC_DISPATCH(square_sum);
    const size_t n = l.node.src.size();
    auto * first = reinterpret_cast<int64_t *>(l.scratch);
    first[0] = 0;
    for (size_t i = 0; i < n; ++i) first[i + 1] = first[i] + pieces_of(*l.node.src[i]);
    auto * sums = reinterpret_cast<double *>(first + n + 1);
    device_of(l).pool.run(first[n], [&](int64_t piece, int) {
        const auto i = static_cast<int>(std::upper_bound(first, first + n, piece) - first) - 1;
        const int64_t at = (piece - first[i]) * kPiece;
        sums[piece] = sum(l.x(i) + at, std::min(kPiece, l.in(i).shape.elements() - at));
    });
    double total = 0;
    for (int64_t piece = 0; piece < first[n]; ++piece) total += sums[piece];
    l.y(0)[0] = static_cast<float>(std::sqrt(total));
    return {};
}

}  // namespace

const Kernel kernel::global_norm = {launch_global_norm, scratch_global_norm};

}  // namespace ql::cpu
#endif
