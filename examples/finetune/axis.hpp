// An axis of a plot.
#pragma once
#include <algorithm>
#include <cmath>
#include <string>

#include "ql/status.hpp"

namespace ql::cli {

/// An axis: the range rounded outwards to ticks at 1, 2 or 5 times a power of ten.
struct Axis {
    double low, high, tick;

    Axis(double lo, double hi, bool whole) {
        if (!(hi > lo)) hi = lo + 1;
        const double rough = (hi - lo) / 6, power = std::pow(10, std::floor(std::log10(rough)));
        tick = power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
        if (whole) tick = std::max(tick, 1.0);
        low = std::floor(lo / tick + 1e-9) * tick;
        high = std::ceil(hi / tick - 1e-9) * tick;
    }
    int n_ticks() const { return static_cast<int>(std::lround((high - low) / tick)) + 1; }
    double at(int i) const { return low + i * tick; }
    double part(double v) const { return (v - low) / (high - low); }
    std::string label(double v) const {
        const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(tick) - 1e-9)));
        return format("%.*f", digits, std::fabs(v) < tick * 1e-6 ? 0.0 : v);
    }
};

}  // namespace ql::cli
