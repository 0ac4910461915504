// The curve of a run in bounded memory: a point stands for one step, and for twice as many each time that there are too many
// points, so that a page sees the entire run however long it is.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ql::cli {

/// Of the steps after the point before it, up to `step`.
struct CurvePoint {
    double step = 0;
    double loss = 0, low = 0, high = 0;  // mean, least and greatest; NaN where all of the steps were skipped
    double lr = 0;                       // of the last step; NaN where it is not known
    double grad_norm = 0;                // the greatest; NaN where it is not known
};

class Curve {
  public:
    /// Points that are kept; past it, pairs of neighbours become one.
    static constexpr size_t kMost = 2048;

    /// Steps come in their order. loss NaN: the step was skipped.
    void add(double step, double loss, double lr, double grad_norm);
    /// The last steps become a point, one more, though they are fewer than its share.
    void finish();
    const std::vector<CurvePoint> & points() const { return points_; }
    /// How often points became fewer: between two of these, points are only added.
    int64_t thinned() const { return thinned_; }

  private:
    void close();
    void thin();
    std::vector<CurvePoint> points_;
    std::vector<CurvePoint> open_;  // the steps of the next point
    size_t steps_per_point_ = 1;
    int64_t thinned_ = 0;
};

}  // namespace ql::cli
