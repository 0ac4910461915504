// Rows of a picture in pixels: anti-aliased lines, discs and text. A picture is drawn a band of rows at a time, so that it
// takes a megabyte of memory and not thirty: a run that draws itself keeps its budget.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "tools/picture/picture.hpp"

namespace ql::cli {

class Raster {
  public:
    /// `scale` pixels a unit of the shapes; rows in pixels, from the picture's top.
    Raster(int width, double scale, int first_row, int n_rows);
    void draw(const Picture::Shape & shape);
    /// RGB.
    std::span<const uint8_t> row(int y) const;
    Colour pixel(int x, int y) const;

  private:
    void draw_line(const Picture::Line & line);
    void draw_rectangle(const Picture::Rectangle & r);
    void draw_disc(const Picture::Disc & disc);
    void draw_text(const Picture::Text & text);
    void mark_segment(Point a, Point b, double radius);
    void blend_marks(Colour c, double opacity);
    void blend(int x, int y, Colour c, double opacity);

    size_t index(int x, int y) const {
        return static_cast<size_t>(y - first_row_) * static_cast<size_t>(width_) + static_cast<size_t>(x);
    }

    double scale_;
    int width_, first_row_, end_row_;
    std::vector<uint8_t> pixels_;      // RGB
    std::vector<uint8_t> marks_;       // how much of each pixel the line that is being drawn covers
    int left_, top_, right_, bottom_;  // of the marks, the ends not included
};

}  // namespace ql::cli
