#include "tools/cli/board/curve.hpp"

#include <cmath>
#include <span>

namespace ql::cli {
namespace {

double least(double a, double b) {
    return std::fmin(a, b);  // of a number and a NaN, the number
}
double greatest(double a, double b) {
    return std::fmax(a, b);
}

/// One point for several: each loss counts the same where it is a number.
CurvePoint joined(std::span<const CurvePoint> points) {
    CurvePoint all = points.front();
    double sum = 0;
    int n = 0;
    for (const CurvePoint & p : points) {
        if (std::isfinite(p.loss)) sum += p.loss, ++n;
        all.low = least(all.low, p.low), all.high = greatest(all.high, p.high);
        all.grad_norm = greatest(all.grad_norm, p.grad_norm);
    }
    all.step = points.back().step, all.lr = points.back().lr;
    all.loss = n ? sum / n : NAN;
    return all;
}

}  // namespace

void Curve::add(double step, double loss, double lr, double grad_norm) {
    if (!std::isfinite(loss)) loss = NAN;
    if (!std::isfinite(grad_norm)) grad_norm = NAN;
    open_.push_back({step, loss, loss, loss, lr, grad_norm});
    if (open_.size() < steps_per_point_) return;
    if (points_.size() == kMost) thin();  // a point then takes more steps than these
    if (open_.size() >= steps_per_point_) close();
}

void Curve::finish() {
    if (!open_.empty()) close();
}

void Curve::close() {
    points_.push_back(joined(open_));
    open_.clear();
}

void Curve::thin() {
    for (size_t i = 0; i < points_.size() / 2; ++i) points_[i] = joined(std::span(points_).subspan(2 * i, 2));
    points_.resize(points_.size() / 2);
    steps_per_point_ *= 2;
    ++thinned_;
}

}  // namespace ql::cli
