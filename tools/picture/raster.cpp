#include "tools/picture/raster.hpp"

#include <algorithm>
#include <cmath>

#include "tools/picture/font.hpp"

namespace ql::cli {
namespace {

int pixel_at(double v) {
    return static_cast<int>(std::floor(std::clamp(v, -1e6, 1e6)));
}

/// The pieces of a line that its dashes leave.
template <typename Draw>
void for_each_dash(const std::vector<Point> & points, double dash, const Draw & draw) {
    double done = 0;  // of the dash or gap
    bool is_drawn = true;
    for (size_t i = 1; i < points.size(); ++i) {
        const Point a = points[i - 1], b = points[i];
        const double length = std::hypot(b.x - a.x, b.y - a.y);
        double at = 0;
        while (at < length) {
            const double end = dash > 0 ? std::min(length, at + dash - done) : length;
            const auto between = [&](double t) {
                return Point{a.x + (b.x - a.x) * t / length, a.y + (b.y - a.y) * t / length};
            };
            if (is_drawn) draw(between(at), between(end));
            done += end - at;
            if (dash > 0 && done >= dash * 0.999999) done = 0, is_drawn = !is_drawn;
            at = end;
        }
    }
}

}  // namespace

Raster::Raster(int width, double scale, int first_row, int n_rows)
    : scale_(scale),
      width_(width),
      first_row_(first_row),
      end_row_(first_row + n_rows),
      left_(width),
      top_(end_row_),
      right_(0),
      bottom_(first_row) {
    const size_t n = static_cast<size_t>(width) * static_cast<size_t>(n_rows);
    pixels_.resize(3 * n, 255);
    marks_.resize(n);
}

void Raster::draw(const Picture::Shape & shape) {
    if (const auto * line = std::get_if<Picture::Line>(&shape)) return draw_line(*line);
    if (const auto * rectangle = std::get_if<Picture::Rectangle>(&shape)) return draw_rectangle(*rectangle);
    if (const auto * disc = std::get_if<Picture::Disc>(&shape)) return draw_disc(*disc);
    draw_text(std::get<Picture::Text>(shape));
}

std::span<const uint8_t> Raster::row(int y) const {
    return std::span(pixels_).subspan(3 * index(0, y), 3 * static_cast<size_t>(width_));
}

Colour Raster::pixel(int x, int y) const {
    const uint8_t * p = &pixels_[3 * index(x, y)];
    return {p[0], p[1], p[2]};
}

void Raster::blend(int x, int y, Colour c, double opacity) {
    if (x < 0 || y < first_row_ || x >= width_ || y >= end_row_ || !(opacity > 0)) return;
    uint8_t * p = &pixels_[3 * index(x, y)];
    for (size_t i = 0; i < 3; ++i)
        p[i] = static_cast<uint8_t>(std::lround(p[i] + (c[i] - p[i]) * std::min(opacity, 1.0)));
}

/// A pixel's coverage follows from its centre's distance to the segment: half a pixel of soft edge. Of all segments of a
/// line it is the most, so that a line of some opacity has no darker knots. A long steep segment has a box of pixels of
/// which it touches few: a row looks only near where the segment crosses it.
void Raster::mark_segment(Point a, Point b, double radius) {
    if (a.y > b.y) std::swap(a, b);
    const double dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy, reach = radius + 1;
    const int top = std::max(pixel_at(a.y - reach), first_row_), bottom = std::min(pixel_at(b.y + reach) + 1, end_row_);
    if (top >= bottom) return;
    const int least = pixel_at(std::min(a.x, b.x) - reach), most = pixel_at(std::max(a.x, b.x) + reach) + 1;
    for (int y = top; y < bottom; ++y) {
        int from = least, to = most;
        if (dy > 0) {  // the part of the segment whose pixels can lie in this row
            const double t0 = std::clamp((y - reach - a.y) / dy, 0.0, 1.0),
                         t1 = std::clamp((y + 1 + reach - a.y) / dy, 0.0, 1.0);
            from = std::max(from, pixel_at(a.x + std::min(dx * t0, dx * t1) - reach));
            to = std::min(to, pixel_at(a.x + std::max(dx * t0, dx * t1) + reach) + 1);
        }
        from = std::max(from, 0), to = std::min(to, width_);
        for (int x = from; x < to; ++x) {
            const double px = x + 0.5 - a.x, py = y + 0.5 - a.y;
            const double t = length2 > 0 ? std::clamp((px * dx + py * dy) / length2, 0.0, 1.0) : 0;
            const double covered = std::clamp(radius + 0.5 - std::hypot(px - t * dx, py - t * dy), 0.0, 1.0);
            uint8_t & mark = marks_[index(x, y)];
            mark = std::max(mark, static_cast<uint8_t>(std::lround(255 * covered)));
        }
    }
    left_ = std::min(left_, std::max(least, 0)), right_ = std::max(right_, std::min(most, width_));
    top_ = std::min(top_, top), bottom_ = std::max(bottom_, bottom);
}

void Raster::blend_marks(Colour c, double opacity) {
    for (int y = top_; y < bottom_; ++y)
        for (int x = left_; x < right_; ++x) {
            uint8_t & mark = marks_[index(x, y)];
            blend(x, y, c, opacity * mark / 255);
            mark = 0;
        }
    left_ = width_, top_ = end_row_, right_ = 0, bottom_ = first_row_;
}

void Raster::draw_line(const Picture::Line & line) {
    std::vector<Point> points = line.points;
    for (Point & p : points) p.x *= scale_, p.y *= scale_;
    const double radius = line.stroke.thickness * scale_ / 2;
    if (points.size() == 1) mark_segment(points[0], points[0], radius);
    for_each_dash(points, line.stroke.dash * scale_, [&](Point a, Point b) { mark_segment(a, b, radius); });
    blend_marks(line.stroke.colour, line.stroke.opacity);
}

void Raster::draw_rectangle(const Picture::Rectangle & r) {
    const double left = r.left * scale_, top = r.top * scale_, right = r.right * scale_, bottom = r.bottom * scale_;
    const auto covered = [](double low, double high, int pixel) {
        return std::clamp(std::min(high, pixel + 1.0) - std::max(low, static_cast<double>(pixel)), 0.0, 1.0);
    };
    for (int y = std::max(pixel_at(top), first_row_); y < std::min(pixel_at(bottom) + 1, end_row_); ++y)
        for (int x = std::max(pixel_at(left), 0); x < std::min(pixel_at(right) + 1, width_); ++x)
            blend(x, y, r.colour, r.opacity * covered(left, right, x) * covered(top, bottom, y));
}

void Raster::draw_disc(const Picture::Disc & disc) {
    const Point centre{disc.centre.x * scale_, disc.centre.y * scale_};
    mark_segment(centre, centre, disc.radius * scale_);
    blend_marks(disc.colour, 1);
}

void Raster::draw_text(const Picture::Text & text) {
    const double top = (text.at.y - 2 * text.size) * scale_, bottom = (text.at.y + text.size) * scale_;
    if (bottom < first_row_ || top >= end_row_) return;
    font_draw(text.text, text.at.x * scale_, text.at.y * scale_, text.size * scale_,
              [&](int x, int y, double part) { blend(x, y, text.colour, part); });
}

}  // namespace ql::cli
