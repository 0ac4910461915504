// The byte-level alphabet of GPT-2: each of the 256 bytes has a printable character, so that vocabulary files hold no
// control characters and no spaces. Bytes that print in Latin-1 stand for themselves; the other 68 are U+0100 and on,
// in order (a space is U+0120).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ql {

/// The bytes that byte-level characters stand for; nothing if the text holds another character.
std::optional<std::string> byte_level_decode(std::string_view text);

/// The byte-level characters of bytes.
std::string byte_level_encode(std::string_view bytes);

}  // namespace ql
