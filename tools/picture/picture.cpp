#include "tools/picture/picture.hpp"

#include <algorithm>

#include "ql/ql.hpp"
#include "tools/cli/escape.hpp"
#include "tools/picture/font.hpp"
#include "tools/picture/png_writer.hpp"
#include "tools/picture/raster.hpp"

namespace ql::cli {
namespace {

constexpr int kBandRows = 64;
constexpr const char * kFamily = "DejaVu Sans, Verdana, sans-serif";  // Verdana's letters are as wide

std::string escape_xml(const std::string & text) {
    std::string escaped;
    for (size_t i = 0; i < text.size(); ++i) {
        const bool is_unknown = text.compare(i, 2, "\xEF\xBF") == 0 && static_cast<uint8_t>(text[i + 2]) >= 0xBE;
        if (is_unknown)  // U+FFFE and U+FFFF are no characters of XML
            escaped += "\xEF\xBF\xBD", i += 2;
        else
            escaped += text[i] == '&' ? "&amp;" : text[i] == '<' ? "&lt;" : std::string(1, text[i]);
    }
    return escaped;
}

std::string hex(Colour c) {
    return format("#%02x%02x%02x", c[0], c[1], c[2]);
}
std::string opacity_of(double opacity) {
    return opacity < 1 ? format(" opacity=\"%.2f\"", opacity) : "";
}

struct SvgElement {
    std::string operator()(const Picture::Line & line) const {
        const Stroke & s = line.stroke;
        std::string path;
        for (const Point & p : line.points) path += format("%c%.1f %.1f", path.empty() ? 'M' : 'L', p.x, p.y);
        return "<path d=\"" + path + "\" fill=\"none\" stroke=\"" + hex(s.colour) +
               format("\" stroke-width=\"%.1f\" stroke-linecap=\"round\" stroke-linejoin=\"round\"", s.thickness) +
               (s.dash > 0 ? format(" stroke-dasharray=\"%.1f\"", s.dash) : "") + opacity_of(s.opacity) + "/>\n";
    }
    std::string operator()(const Picture::Rectangle & r) const {
        return format("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"", r.left, r.top,
                      r.right - r.left, r.bottom - r.top) +
               hex(r.colour) + "\"" + opacity_of(r.opacity) + " shape-rendering=\"crispEdges\"/>\n";
    }
    std::string operator()(const Picture::Disc & disc) const {
        return format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"", disc.centre.x, disc.centre.y, disc.radius) +
               hex(disc.colour) + "\"/>\n";
    }
    /// textLength: as wide as was planned, whichever font the viewer has.
    std::string operator()(const Picture::Text & t) const {
        return format(
                   "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" textLength=\"%.1f\" "
                   "lengthAdjust=\"spacingAndGlyphs\" fill=\"",
                   t.at.x, t.at.y, t.size, std::max(t.width, 1.0)) +
               hex(t.colour) + "\">" + escape_xml(t.text) + "</text>\n";
    }
};

}  // namespace

Picture::Picture(double width, double height, Colour paper) : width_(width), height_(height) {
    rectangle(0, 0, width, height, paper);
}

void Picture::line(std::vector<Point> points, const Stroke & stroke) {
    if (!points.empty()) shapes_.emplace_back(Line{std::move(points), stroke});
}

void Picture::rectangle(double left, double top, double right, double bottom, Colour c, double opacity) {
    if (right > left && bottom > top) shapes_.emplace_back(Rectangle{left, top, right, bottom, c, opacity});
}

void Picture::disc(Point centre, double radius, Colour c) {
    shapes_.emplace_back(Disc{centre, radius, c});
}

void Picture::text(Point at, const std::string & text, double size, Colour c, Align align) {
    if (text.empty()) return;
    const std::string shown = escape_line(text);
    const double width = font_text_width(shown, size);
    at.x -= align == Align::right ? width : align == Align::middle ? width / 2 : 0;
    shapes_.emplace_back(Text{at, shown, size, width, c});
}

double Picture::text_width(const std::string & text, double size) {
    return font_text_width(escape_line(text), size);
}

std::string Picture::fit(const std::string & text, double size, double width) {
    const std::string whole = escape_line(text);
    if (font_text_width(whole, size) <= width) return whole;
    std::vector<std::string> characters;
    for (const char c : whole)
        if (characters.empty() || (static_cast<uint8_t>(c) & 0xC0) != 0x80)
            characters.emplace_back(1, c);
        else
            characters.back() += c;
    const auto joined = [&](size_t kept) {
        std::string out;
        for (size_t i = 0; i < (kept + 1) / 2; ++i) out += characters[i];
        out += "...";
        for (size_t i = characters.size() - kept / 2; i < characters.size(); ++i) out += characters[i];
        return out;
    };
    size_t low = 0, high = characters.size();  // so many characters fit; so many do not
    while (low + 1 < high) {
        const size_t middle = (low + high) / 2;
        (font_text_width(joined(middle), size) <= width ? low : high) = middle;
    }
    return joined(low);
}

std::string Picture::svg() const {
    std::string svg = format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
        "viewBox=\"0 0 %.0f %.0f\" font-family=\"%s\">\n",
        width_, height_, width_, height_, kFamily);
    for (const Shape & shape : shapes_) svg += std::visit(SvgElement(), shape);
    return svg + "</svg>\n";
}

std::string Picture::png(double scale) const {
    const int width = static_cast<int>(width_ * scale), height = static_cast<int>(height_ * scale);
    PngWriter png(width, height);
    for (int first = 0; first < height; first += kBandRows) {
        const int n = std::min(kBandRows, height - first);
        Raster band(width, scale, first, n);
        for (const Shape & shape : shapes_) band.draw(shape);
        for (int y = first; y < first + n; ++y) png.add_row(band.row(y));
    }
    return png.finish();
}

Status Picture::save(const std::string & path) const {
    const std::string bytes = path.ends_with(".svg") ? svg() : png();
    if (bytes.empty()) return error(QL_NO_MEMORY, "%s: the picture cannot be made", path.c_str());
    return write_file(path, bytes);
}

}  // namespace ql::cli
