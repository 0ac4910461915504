// A curve made ready to be drawn: smoothed, and thinned out to what pixels can show.
#pragma once
#include <cstddef>
#include <vector>

#include "tools/picture/picture.hpp"

namespace ql::cli {

/// The mean of the n values around each one, as many before it as behind it. At the beginning it is of as many as lie
/// before, so that a steep start stays steep; at the end it is of those that are there. A value that is not finite
/// counts as none, and where it stands there is no mean either.
std::vector<Point> centred_mean(const std::vector<Point> & points, size_t n);

/// How many values a mean is taken over if nobody says: a twentieth of them, odd; below 3: none is worth drawing.
size_t usual_mean(size_t n_points);

/// The points, or where there are many in one of `columns` equal parts of [low, high] its first, lowest, highest and
/// last one: the line through them covers the same pixels. Points that are not finite stay as one gap.
std::vector<Point> thinned(const std::vector<Point> & points, double low, double high, size_t columns);

}  // namespace ql::cli
