#include "tools/cli/escape.hpp"

#include <algorithm>
#include <cstdint>

#include "ql/status.hpp"

namespace ql::cli {
namespace {

struct Character {
    uint32_t code = 0;
    size_t bytes = 1;
    bool valid = true;
};

/// The first character of a text that is not empty; a byte that begins no character counts as an invalid one.
Character first_character(std::string_view text) {
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
    const uint8_t lead = byte(0);
    if (lead < 0x80) return {lead};
    const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    const Character bad{lead, 1, false};
    if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return bad;
    uint32_t code = lead & (0x7Fu >> bytes);
    for (size_t i = 1; i < bytes; ++i) {
        if ((byte(i) & 0xC0) != 0x80) return bad;
        code = code << 6 | (byte(i) & 0x3F);
    }
    const bool too_long = code < (bytes == 4 ? 0x10000u : bytes == 3 ? 0x800u : 0x80u);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    if (too_long || surrogate || code > 0x10FFFF) return bad;
    return {code, bytes};
}

bool commands_a_terminal(const Character & c) {
    if (!c.valid || c.code < 0x20 || (c.code >= 0x7F && c.code <= 0x9F)) return true;
    return (c.code >= 0x202A && c.code <= 0x202E) || (c.code >= 0x2066 && c.code <= 0x2069);  // bidirectional
}

/// The text with `show(character)` in the place of each character that a terminal obeys, except those in `kept`.
template <typename Show>
std::string escape(std::string_view text, std::string_view kept, const Show & show) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const Character c = first_character(text);
        if (commands_a_terminal(c) && kept.find(text[0]) == kept.npos)
            out += show(c);
        else
            out += text.substr(0, c.bytes);
        text.remove_prefix(c.bytes);
    }
    return out;
}

std::string shown(const Character & c) {
    if (c.code == '\n') return "\\n";
    if (c.code == '\t') return "\\t";
    return format(c.code < 0x80 || !c.valid ? "\\x%02x" : "\\u%04x", static_cast<unsigned>(c.code));
}

}  // namespace

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const Character c = first_character(text);
        if (!c.valid) return false;
        text.remove_prefix(c.bytes);
    }
    return true;
}

std::string escape_line(std::string_view text) {
    return escape(text, "", shown);
}

std::string escape_text(std::string_view text) {
    return escape(text, "\n\t", shown);
}

std::string escape_json(std::string_view json) {
    return escape(json, "\n\t", [](const Character & c) { return format("\\u%04x", static_cast<unsigned>(c.code)); });
}

}  // namespace ql::cli
