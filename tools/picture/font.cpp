#include "tools/picture/font.hpp"

#include <cmath>
#include <vector>

// A public-domain single-file library, compiled here: it reads TrueType outlines and draws them smoothly.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#define STBTT_STATIC
#define STB_TRUETYPE_IMPLEMENTATION
#include <stb/stb_truetype.h>
#pragma GCC diagnostic pop

extern "C" const unsigned char ql_picture_font[];  // font.S

namespace ql::cli {
namespace {

/// Opened once. Nothing but reading is done with it afterwards.
const stbtt_fontinfo & font() {
    static const stbtt_fontinfo opened = [] {
        stbtt_fontinfo info{};
        stbtt_InitFont(&info, ql_picture_font, 0);
        return info;
    }();
    return opened;
}

/// The first character of well-formed UTF-8, which is taken off; of other bytes something.
uint32_t take_character(std::string_view & text) {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
    const uint32_t lead = byte(0);
    const size_t n = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    uint32_t code = n == 1 ? lead : lead & (0x7Fu >> n);
    for (size_t i = 1; i < n; ++i) code = code << 6 | (byte(i) & 0x3F);
    text.remove_prefix(std::min(n, text.size()));
    return code;
}

constexpr double kBoxWidth = 0.9, kBoxHeight = 0.73;  // of a missing character, in em: that of a capital letter

/// Calls glyph(index, x) for each character, from x = 0 on, and returns where the next one would stand.
template <typename Glyph>
double lay_out(std::string_view text, double size, const Glyph & glyph) {
    const double scale = static_cast<double>(stbtt_ScaleForMappingEmToPixels(&font(), 1)) * size;
    double x = 0;
    while (!text.empty()) {
        const int index = stbtt_FindGlyphIndex(&font(), static_cast<int>(take_character(text)));
        glyph(index, x);
        int advance = 0, bearing = 0;
        stbtt_GetGlyphHMetrics(&font(), index, &advance, &bearing);
        x += index ? advance * scale : kBoxWidth * size;
    }
    return x;
}

void draw_box(double x, double y, double size, const std::function<void(int, int, double)> & cover) {
    const auto at = [](double v) { return static_cast<int>(std::lround(v)); };
    const int left = at(x + 0.1 * size), right = at(x + (kBoxWidth - 0.1) * size), top = at(y - kBoxHeight * size),
              bottom = at(y), thick = std::max(1, at(0.06 * size));
    for (int py = top; py < bottom; ++py)
        for (int px = left; px < right; ++px)
            if (px < left + thick || px >= right - thick || py < top + thick || py >= bottom - thick) cover(px, py, 1);
}

}  // namespace

double font_text_width(std::string_view text, double size) {
    return lay_out(text, size, [](int, double) {});
}

void font_draw(std::string_view text, double x, double y, double size,
               const std::function<void(int, int, double)> & cover) {
    const float scale = stbtt_ScaleForMappingEmToPixels(&font(), static_cast<float>(size));
    lay_out(text, size, [&](int index, double offset) {
        if (index == 0) return draw_box(x + offset, y, size, cover);
        const double left = std::floor(x + offset), base = std::floor(y);
        int width = 0, height = 0, dx = 0, dy = 0;
        unsigned char * bitmap =
            stbtt_GetGlyphBitmapSubpixel(&font(), scale, scale, static_cast<float>(x + offset - left),
                                         static_cast<float>(y - base), index, &width, &height, &dx, &dy);
        if (!bitmap) return;  // a blank
        for (int row = 0; row < height; ++row)
            for (int column = 0; column < width; ++column)
                if (const int ink = bitmap[row * width + column])
                    cover(static_cast<int>(left) + dx + column, static_cast<int>(base) + dy + row, ink / 255.0);
        stbtt_FreeBitmap(bitmap, nullptr);
    });
}

}  // namespace ql::cli
