// A picture as a list of shapes, written as PNG at twice its size, or as SVG: both from the same list.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "ql/status.hpp"

namespace ql::cli {

using Colour = std::array<uint8_t, 3>;
struct Point {
    double x, y;
};
enum class Align { left, middle, right };

struct Stroke {
    double thickness;
    Colour colour;
    double opacity = 1;
    double dash = 0;  // length of dashes and of gaps; 0: a whole line
};

class Picture {
  public:
    /// Lengths are in units of which the PNG has two pixels each; y grows downwards.
    Picture(double width, double height, Colour paper);
    double width() const { return width_; }
    double height() const { return height_; }

    /// A line through the points, its ends and corners round. Where it crosses itself it is no darker.
    void line(std::vector<Point> points, const Stroke & stroke);
    void rectangle(double left, double top, double right, double bottom, Colour c, double opacity = 1);
    void disc(Point centre, double radius, Colour c);
    /// Text that stands on the line y; `size` is the font's em. What commands a terminal is escaped.
    void text(Point at, const std::string & text, double size, Colour c, Align align = Align::left);

    static double text_width(const std::string & text, double size);
    /// The text, or as much of its beginning and end as is no wider, with "..." in the middle.
    static std::string fit(const std::string & text, double size, double width);

    std::string svg() const;
    /// scale: pixels a unit. "" if there is no memory for it.
    std::string png(double scale = 2) const;
    /// Writes the file safely, as SVG where its name ends so, else as PNG.
    Status save(const std::string & path) const;
    /// Whether a file of this name can be written.
    static bool knows(const std::string & path) { return path.ends_with(".png") || path.ends_with(".svg"); }

    struct Line {
        std::vector<Point> points;
        Stroke stroke;
    };
    struct Rectangle {
        double left, top, right, bottom;
        Colour colour;
        double opacity;
    };
    struct Disc {
        Point centre;
        double radius;
        Colour colour;
    };
    struct Text {
        Point at;  // of its left end
        std::string text;
        double size, width;
        Colour colour;
    };
    using Shape = std::variant<Line, Rectangle, Disc, Text>;

  private:
    double width_, height_;
    std::vector<Shape> shapes_;
};

}  // namespace ql::cli
