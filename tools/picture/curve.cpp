#include "tools/picture/curve.hpp"

#include <algorithm>
#include <cmath>

namespace ql::cli {
namespace {

/// The points of one column, which are kept in the order in which they were.
class Column {
  public:
    void add(const Point & p) {
        if (n_++ == 0) first_ = low_ = high_ = p, low_at_ = high_at_ = 0;
        if (p.y < low_.y) low_ = p, low_at_ = n_ - 1;
        if (p.y > high_.y) high_ = p, high_at_ = n_ - 1;
        last_ = p;
    }
    void move_to(std::vector<Point> & out) {
        if (n_ == 0) return;
        out.push_back(first_);
        const bool is_low_first = low_at_ <= high_at_;
        const size_t one = is_low_first ? low_at_ : high_at_, other = is_low_first ? high_at_ : low_at_;
        if (one > 0 && one + 1 < n_) out.push_back(is_low_first ? low_ : high_);
        if (other > one && other + 1 < n_) out.push_back(is_low_first ? high_ : low_);
        if (n_ > 1) out.push_back(last_);
        n_ = 0;
    }

  private:
    size_t n_ = 0, low_at_ = 0, high_at_ = 0;
    Point first_{}, low_{}, high_{}, last_{};
};

}  // namespace

std::vector<Point> centred_mean(const std::vector<Point> & points, size_t n) {
    std::vector<double> sums(points.size() + 1);
    std::vector<size_t> counts(points.size() + 1);
    for (size_t i = 0; i < points.size(); ++i) {
        const bool counted = std::isfinite(points[i].y);
        sums[i + 1] = sums[i] + (counted ? points[i].y : 0), counts[i + 1] = counts[i] + counted;
    }
    std::vector<Point> means(points.size());
    for (size_t i = 0; i < points.size(); ++i) {
        const size_t half = std::min(n / 2, i), from = i - half, to = std::min(i + half + 1, points.size());
        const bool counted = std::isfinite(points[i].y);
        means[i] = {points[i].x,
                    counted ? (sums[to] - sums[from]) / static_cast<double>(counts[to] - counts[from]) : NAN};
    }
    return means;
}

size_t usual_mean(size_t n_points) {
    return n_points < 12 ? 0 : std::max<size_t>(5, n_points / 20) | 1;
}

std::vector<Point> thinned(const std::vector<Point> & points, double low, double high, size_t columns) {
    if (points.size() <= 4 * columns || !(high > low)) return points;
    std::vector<Point> out;
    Column column;
    size_t at = 0;
    for (const Point & p : points) {
        const double part = std::clamp((p.x - low) / (high - low), 0.0, 1.0);
        const auto place = static_cast<size_t>(part * static_cast<double>(columns));
        if (place != at || !std::isfinite(p.y)) column.move_to(out), at = place;
        if (std::isfinite(p.y))
            column.add(p);
        else if (!out.empty() && std::isfinite(out.back().y))
            out.push_back(p);
    }
    column.move_to(out);
    return out;
}

}  // namespace ql::cli
