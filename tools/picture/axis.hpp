// An axis of a plot: its range, where its ticks are, what stands beside them.
#pragma once
#include <string>
#include <vector>

namespace ql::cli {

/// Beyond it a value is drawn no more: it is no measurement, and differences stay finite.
inline constexpr double kLargest = 1e30;

/// The range of values to show, of those that can be.
struct Range {
    double low = 0, high = 0;
    bool is_empty = true;
    void add(double v);
};

/// Whether a logarithmic axis shows more: the largest value is more than 20 times the smallest, and all are above 0.
bool suits_log(const Range & values);

class Axis {
  public:
    /// From tick to tick around the values; about n_steps ticks.
    static Axis linear(const Range & values, int n_steps = 6);
    /// Of the values above 0, with a margin; `values` holds no other.
    static Axis logarithmic(const Range & values);
    /// From `low` to exactly `high`; whole: ticks are whole numbers.
    static Axis exact(double low, double high, bool whole);

    /// 0 at the lower end, 1 at the upper one.
    double part(double v) const;
    const std::vector<double> & ticks() const { return ticks_; }
    std::string label(double tick) const;
    bool is_log() const { return log_; }

  private:
    double low_ = 0, high_ = 1, step_ = 1;
    bool log_ = false;
    std::vector<double> ticks_;
};

/// A number as short as three digits allow: "0.0081", "3.19", "1.2k", "4e-9".
std::string short_number(double v);
/// A number in three digits without a unit: "0.0002", "150", "3e-5".
std::string plain_number(double v);
/// As short_number with all three digits, so that numbers in a row are as exact as each other: "0.710".
std::string three_digits(double v);

}  // namespace ql::cli
