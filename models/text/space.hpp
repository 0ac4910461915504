// How SentencePiece writes a space.
#pragma once

namespace ql {

inline constexpr char kSpace[] = "\xE2\x96\x81";  // U+2581

}  // namespace ql
