// A picture to draw on: anti-aliased lines and discs, small text, saved as PNG or SVG.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace ql::cli {

using Colour = std::array<uint8_t, 3>;

class Canvas {
  public:
    Canvas(int width, int height, Colour background);
    int width() const { return width_; }
    int height() const { return height_; }

    void line(double x0, double y0, double x1, double y1, double thickness, Colour c, double opacity = 1);
    /// A rectangle, its edges blended where they do not fall between pixels.
    void rectangle(double left, double top, double right, double bottom, Colour c, double opacity = 1);
    void disc(double x, double y, double radius, Colour c);
    /// Text whose upper left corner is at (x, y), `scale` times the font's 8 or so pixels.
    void text(double x, double y, const std::string & text, Colour c, double scale);
    static double text_width(const std::string & text, double scale);

    /// Writes the file safely, as SVG where its name ends so, else as PNG; throws Stop if that fails.
    void save(const std::string & path) const;

  private:
    std::string png(const std::string & path) const;
    std::string svg() const;
    /// An element of the SVG file, in the colour.
    void element(const std::string & shape, Colour c, double opacity = 1);
    void blend(int x, int y, Colour c, double opacity);
    int width_, height_;
    std::vector<uint8_t> pixels_;  // RGB, rows from the top
    std::string elements_;         // of SVG: the same picture
};

}  // namespace ql::cli
