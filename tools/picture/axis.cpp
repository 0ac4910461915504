#include "tools/picture/axis.hpp"

#include <algorithm>
#include <cmath>

#include "ql/status.hpp"

namespace ql::cli {
namespace {

/// 1, 2 or 5 times a power of ten, so that a length has about n of them.
double round_step(double length, int n = 6) {
    const double rough = length / n, power = std::pow(10, std::floor(std::log10(rough)));
    return power * (rough / power <= 1 ? 1 : rough / power <= 2 ? 2 : rough / power <= 5 ? 5 : 10);
}

/// A range of some length, whose ticks can be told apart.
Range widened(Range r) {
    if (r.is_empty) return {0, 1, false};
    const double least = std::max({std::fabs(r.low), std::fabs(r.high), 1e-30}) * 1e-6;
    if (r.high - r.low >= least) return r;
    const double more = r.low == 0 ? 1 : std::fabs(r.low) * 0.1;
    return {r.low >= 0 ? std::max(0.0, r.low - more) : r.low - more, r.high + more, false};
}

/// "2e-5" of "2e-05".
std::string without_zeros(std::string text) {
    const size_t e = text.find('e');
    if (e == text.npos) return text;
    size_t digits = e + 2;
    while (digits + 1 < text.size() && text[digits] == '0') text.erase(digits, 1);
    if (text[e + 1] == '+') text.erase(e + 1, 1);
    return text;
}

}  // namespace

void Range::add(double v) {
    if (!(std::fabs(v) <= kLargest)) return;
    low = is_empty ? v : std::min(low, v), high = is_empty ? v : std::max(high, v);
    is_empty = false;
}

bool suits_log(const Range & values) {
    return !values.is_empty && values.low > 0 && values.high / values.low > 20;
}

Axis Axis::linear(const Range & values, int n_steps) {
    const Range r = widened(values);
    Axis a;
    a.step_ = round_step(r.high - r.low, n_steps);
    a.low_ = std::floor(r.low / a.step_ + 1e-9) * a.step_, a.high_ = std::ceil(r.high / a.step_ - 1e-9) * a.step_;
    const auto n = std::lround((a.high_ - a.low_) / a.step_);
    for (long i = 0; i <= n; ++i) a.ticks_.push_back(a.low_ + static_cast<double>(i) * a.step_);
    return a;
}

Axis Axis::logarithmic(const Range & values) {
    Range r = values.is_empty || !(values.low > 0) ? Range{0.1, 1, false} : values;
    if (r.high / r.low < 1.5) r.low /= 1.5, r.high *= 1.5;
    const double margin = std::pow(r.high / r.low, 0.03);
    Axis a;
    a.log_ = true, a.low_ = r.low / margin, a.high_ = r.high * margin;
    const double decades = std::log10(a.high_ / a.low_);
    const int every = std::max(1, static_cast<int>(std::ceil(decades / 8)));
    const int first = static_cast<int>(std::floor(std::log10(a.low_))),
              last = static_cast<int>(std::ceil(std::log10(a.high_)));
    for (int power = first; power <= last; power += every)
        for (const double factor : {1.0, 2.0, 5.0}) {
            const double tick = factor * std::pow(10, power);
            if ((factor == 1 || decades < 3.5) && tick >= a.low_ && tick <= a.high_) a.ticks_.push_back(tick);
        }
    return a;
}

Axis Axis::exact(double low, double high, bool whole) {
    Axis a;
    a.low_ = low, a.high_ = high > low ? high : low + 1;
    a.step_ = round_step(a.high_ - a.low_);
    if (whole) a.step_ = std::max(a.step_, 1.0);
    for (double i = std::ceil(a.low_ / a.step_ - 1e-9); i * a.step_ <= a.high_ * (1 + 1e-12); ++i)
        a.ticks_.push_back(i * a.step_);
    return a;
}

double Axis::part(double v) const {
    if (!log_) return (v - low_) / (high_ - low_);
    return v > 0 ? std::log10(v / low_) / std::log10(high_ / low_) : 0;
}

/// As many digits as tell ticks apart; where these are too many, a power of ten.
std::string Axis::label(double tick) const {
    const double size = std::fabs(tick);
    if (log_) return size >= 1e-3 && size < 1e5 ? format("%.6g", tick) : without_zeros(format("%.0e", tick));
    if (size < step_ * 1e-6) return "0";
    if (step_ >= 1 && size >= 1e5) return short_number(tick);
    const int digits = std::max(0, static_cast<int>(std::ceil(-std::log10(step_) - 1e-9)));
    if (digits <= 4) return format("%.*f", digits, tick);
    const int places = std::max(0, static_cast<int>(std::floor(std::log10(size) + 1e-9)) + digits);
    return without_zeros(format("%.*e", std::min(places, 6), tick));
}

std::string short_number(double v) {
    const double size = std::fabs(v);
    if (size == 0) return "0";
    const struct {
        double unit;
        const char * name;
    } kUnits[] = {{1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    for (const auto & u : kUnits)
        if (size >= u.unit * 0.9995 && size < 1e12) return format("%.3g", v / u.unit) + u.name;
    return without_zeros(size >= 1e-4 && size < 1e12 ? format("%.3g", v) : format("%.1e", v));
}

std::string plain_number(double v) {
    return without_zeros(format("%.3g", v));
}

std::string three_digits(double v) {
    const double size = std::fabs(v);
    return size >= 1e-4 && size < 99.95 ? format("%#.3g", v) : short_number(v);
}

}  // namespace ql::cli
