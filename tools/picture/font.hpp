// The font of pictures, inside of the program: DejaVu Sans. It is made for screens: large lower-case letters, wide
// spacing, 1, l and I apart; and of the free fonts that Debian packages it has the most scripts of Europe and beyond.
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>

namespace ql::cli {

/// The width of a text in UTF-8. A character that the font lacks is shown as a box.
double font_text_width(std::string_view text, double size);

/// Calls cover(x, y, part) for the pixels that a text touches: part of the pixel is ink, 0 to 1. The text begins at
/// (x, y), where y is the line that it stands on.
void font_draw(std::string_view text, double x, double y, double size,
               const std::function<void(int, int, double)> & cover);

}  // namespace ql::cli
