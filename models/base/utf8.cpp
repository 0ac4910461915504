// The well-formed sequences are those of the Unicode Standard, table 3-7: no overlong forms, no surrogates, nothing
// past U+10FFFF; only the second byte's range depends on the first byte.
#include "models/base/utf8.hpp"

#include <algorithm>

namespace ql {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

struct Lead {
    size_t size;  // of the sequence, 0 for a byte that starts none
    unsigned char second_low, second_high;
    unsigned char mask;  // of the lead byte's payload
};

Lead lead_of(unsigned char byte) {
    if (byte < 0x80) return {1, 0, 0, 0x7F};
    if (byte < 0xC2) return {0, 0, 0, 0};
    if (byte < 0xE0) return {2, 0x80, 0xBF, 0x1F};
    if (byte < 0xF0) {
        return {3, static_cast<unsigned char>(byte == 0xE0 ? 0xA0 : 0x80),
                static_cast<unsigned char>(byte == 0xED ? 0x9F : 0xBF), 0x0F};
    }
    if (byte < 0xF5) {
        return {4, static_cast<unsigned char>(byte == 0xF0 ? 0x90 : 0x80),
                static_cast<unsigned char>(byte == 0xF4 ? 0x8F : 0xBF), 0x07};
    }
    return {0, 0, 0, 0};
}

}  // namespace

Utf8Unit next_utf8(std::string_view text) {
    const auto first = static_cast<unsigned char>(text[0]);
    const Lead lead = lead_of(first);
    if (lead.size == 0) return {Utf8Unit::kMalformed, 1, 0};
    uint32_t code_point = first & lead.mask;
    for (size_t i = 1; i < lead.size; i++) {
        if (i == text.size()) return {Utf8Unit::kIncomplete, i, 0};
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool fits = i == 1 ? byte >= lead.second_low && byte <= lead.second_high : (byte & 0xC0) == 0x80;
        if (!fits) return {Utf8Unit::kMalformed, 1, 0};
        code_point = code_point << 6 | (byte & 0x3F);
    }
    return {Utf8Unit::kComplete, lead.size, code_point};
}

size_t character_size(std::string_view text) {
    const Utf8Unit unit = next_utf8(text);
    return unit.kind == Utf8Unit::kComplete ? unit.size : 1;
}

void append_utf8(std::string & text, uint32_t code_point) {
    const auto put = [&](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
    if (code_point < 0x80) return put(code_point);
    if (code_point < 0x800) {
        put(0xC0 | code_point >> 6);
    } else {
        if (code_point < 0x10000) {
            put(0xE0 | code_point >> 12);
        } else {
            put(0xF0 | code_point >> 18);
            put(0x80 | (code_point >> 12 & 0x3F));
        }
        put(0x80 | (code_point >> 6 & 0x3F));
    }
    put(0x80 | (code_point & 0x3F));
}

Utf8Unit last_utf8(std::string_view text) {
    for (size_t size = std::min<size_t>(text.size(), 4); size > 0; size--) {
        const Utf8Unit unit = next_utf8(text.substr(text.size() - size));
        if (unit.kind == Utf8Unit::kComplete && unit.size == size) return unit;
    }
    return {Utf8Unit::kMalformed, 1, 0};
}

bool is_white_space(uint32_t c) {
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t white_space_at_begin(std::string_view text) {
    size_t size = 0;
    while (size < text.size()) {
        const Utf8Unit unit = next_utf8(text.substr(size));
        if (unit.kind != Utf8Unit::kComplete || !is_white_space(unit.code_point)) break;
        size += unit.size;
    }
    return size;
}

size_t white_space_at_end(std::string_view text) {
    size_t size = 0;
    while (size < text.size()) {
        const Utf8Unit unit = last_utf8(text.substr(0, text.size() - size));
        if (unit.kind != Utf8Unit::kComplete || !is_white_space(unit.code_point)) break;
        size += unit.size;
    }
    return size;
}

bool is_well_formed_utf8(std::string_view text) {
    while (!text.empty()) {
        const Utf8Unit unit = next_utf8(text);
        if (unit.kind != Utf8Unit::kComplete) return false;
        text.remove_prefix(unit.size);
    }
    return true;
}

std::string mask_malformed_utf8(std::string_view text) {
    std::string masked(text);
    for (size_t i = 0; i < text.size();) {
        const Utf8Unit unit = next_utf8(text.substr(i));
        if (unit.kind != Utf8Unit::kComplete) masked.replace(i, unit.size, unit.size, '\x01');
        i += unit.size;
    }
    return masked;
}

std::string Utf8Stream::push(std::string_view bytes) {
    pending_.append(bytes);
    std::string out;
    std::string_view rest = pending_;
    while (!rest.empty()) {
        const Utf8Unit unit = next_utf8(rest);
        if (unit.kind == Utf8Unit::kIncomplete) break;
        out.append(unit.kind == Utf8Unit::kComplete ? rest.substr(0, unit.size) : std::string_view(kReplacement));
        rest.remove_prefix(unit.size);
    }
    pending_.erase(0, pending_.size() - rest.size());
    return out;
}

std::string Utf8Stream::flush() {
    const bool broken = !pending_.empty();
    pending_.clear();
    return broken ? kReplacement : "";
}

}  // namespace ql
