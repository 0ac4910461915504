#include "examples/finetune/canvas.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ql/ql.hpp"
#include "tools/cli/stop.hpp"

// Public-domain single-file libraries, compiled here: the PNG writer and a font of vector blocks.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_easy_font.h>
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace ql::cli {
namespace {

std::string escape_xml(const std::string & text) {
    std::string escaped;
    for (const char c : text) escaped += c == '&' ? "&amp;" : c == '<' ? "&lt;" : std::string(1, c);
    return escaped;
}

}  // namespace

Canvas::Canvas(int width, int height, Colour background) : width_(width), height_(height) {
    pixels_.resize(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
    for (size_t i = 0; i < pixels_.size(); ++i) pixels_[i] = background[i % 3];
    element(format("<rect width=\"%d\" height=\"%d\"", width, height), background);
}

void Canvas::blend(int x, int y, Colour c, double opacity) {
    if (x < 0 || y < 0 || x >= width_ || y >= height_ || opacity <= 0) return;
    uint8_t * p = &pixels_[(static_cast<size_t>(y) * static_cast<size_t>(width_) + static_cast<size_t>(x)) * 3];
    for (size_t i = 0; i < 3; ++i)
        p[i] = static_cast<uint8_t>(std::lround(p[i] + (c[i] - p[i]) * std::min(opacity, 1.0)));
}

void Canvas::element(const std::string & shape, Colour c, double opacity) {
    elements_ += shape + format(" fill=\"#%02x%02x%02x\"", c[0], c[1], c[2]);
    if (opacity < 1) elements_ += format(" opacity=\"%.2f\"", opacity);
    elements_ += "/>\n";
}

/// A pixel's coverage is taken from its centre's distance to the segment: half a pixel of soft edge.
void Canvas::line(double x0, double y0, double x1, double y1, double thickness, Colour c, double opacity) {
    element(format("<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"#%02x%02x%02x\" stroke-width=\"%.1f\" "
                   "stroke-linecap=\"round\"",
                   x0, y0, x1, y1, c[0], c[1], c[2], thickness),
            c, opacity);
    const double r = thickness / 2, dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
    const int left = static_cast<int>(std::floor(std::min(x0, x1) - r - 1)),
              right = static_cast<int>(std::ceil(std::max(x0, x1) + r + 1));
    const int top = static_cast<int>(std::floor(std::min(y0, y1) - r - 1)),
              bottom = static_cast<int>(std::ceil(std::max(y0, y1) + r + 1));
    for (int y = std::max(top, 0); y <= std::min(bottom, height_ - 1); ++y)
        for (int x = std::max(left, 0); x <= std::min(right, width_ - 1); ++x) {
            const double px = x + 0.5 - x0, py = y + 0.5 - y0;
            const double t = length2 > 0 ? std::clamp((px * dx + py * dy) / length2, 0.0, 1.0) : 0;
            blend(x, y, c, opacity * std::clamp(r + 0.5 - std::hypot(px - t * dx, py - t * dy), 0.0, 1.0));
        }
}

void Canvas::rectangle(double left, double top, double right, double bottom, Colour c, double opacity) {
    if (right > left && bottom > top)
        element(format("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" shape-rendering=\"crispEdges\"",
                       left, top, right - left, bottom - top),
                c, opacity);
    const auto covered = [](double low, double high, int pixel) {
        return std::clamp(std::min(high, pixel + 1.0) - std::max(low, static_cast<double>(pixel)), 0.0, 1.0);
    };
    for (int y = static_cast<int>(std::floor(top)); y < static_cast<int>(std::ceil(bottom)); ++y)
        for (int x = static_cast<int>(std::floor(left)); x < static_cast<int>(std::ceil(right)); ++x)
            blend(x, y, c, opacity * covered(left, right, x) * covered(top, bottom, y));
}

void Canvas::disc(double x, double y, double radius, Colour c) {
    line(x, y, x, y, 2 * radius, c);
}

void Canvas::text(double x, double y, const std::string & text, Colour c, double scale) {
    struct Vertex {
        float x, y, z;
        uint32_t colour;
    };
    elements_ += format(
                     "<text x=\"%.1f\" y=\"%.1f\" fill=\"#%02x%02x%02x\" textLength=\"%.1f\" "
                     "lengthAdjust=\"spacingAndGlyphs\" font-family=\"sans-serif\" font-size=\"%.1f\">",
                     x, y + 7.5 * scale, c[0], c[1], c[2], std::max(text_width(text, scale), 1.0), 8 * scale) +
                 escape_xml(text) + "</text>\n";
    std::vector<Vertex> vertices(text.size() * 80 + 80);
    std::string copy = text;
    const int quads = stb_easy_font_print(0, 0, copy.data(), nullptr, vertices.data(),
                                          static_cast<int>(vertices.size() * sizeof(Vertex)));
    for (int q = 0; q < quads; ++q) {
        const Vertex & a = vertices[static_cast<size_t>(q) * 4];
        const Vertex & b = vertices[static_cast<size_t>(q) * 4 + 2];
        const auto pixel = [](double v) { return static_cast<int>(std::lround(v)); };
        for (int py = pixel(y + a.y * scale); py < pixel(y + b.y * scale); ++py)
            for (int px = pixel(x + a.x * scale); px < pixel(x + b.x * scale); ++px) blend(px, py, c, 1);
    }
}

double Canvas::text_width(const std::string & text, double scale) {
    std::string copy = text;
    return scale * stb_easy_font_width(copy.data());
}

std::string Canvas::png(const std::string & path) const {
    std::string png;
    const auto append = [](void * to, void * data, int size) {
        static_cast<std::string *>(to)->append(static_cast<const char *>(data), static_cast<size_t>(size));
    };
    if (!stbi_write_png_to_func(append, &png, width_, height_, 3, pixels_.data(), width_ * 3))
        run_failed("%s: the picture cannot be made", path.c_str());
    return png;
}

std::string Canvas::svg() const {
    return format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
                  width_, height_, width_, height_) +
           elements_ + "</svg>\n";
}

void Canvas::save(const std::string & path) const {
    check_run(write_file(path, path.ends_with(".svg") ? svg() : png(path)));
}

}  // namespace ql::cli
