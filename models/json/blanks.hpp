// What counts as a blank in JSON and in the texts that it holds, and what may stand before the first byte of a file.
#pragma once
#include <string_view>

namespace ql {

inline constexpr std::string_view kBlanks = " \t\r\n";

/// Without blanks at its ends.
inline std::string_view trimmed(std::string_view text) {
    const size_t begin = text.find_first_not_of(kBlanks);
    if (begin == text.npos) return {};
    return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// Nothing but spaces, tabs and line ends.
inline bool is_blank(std::string_view text) {
    return text.find_first_not_of(kBlanks) == text.npos;
}

/// Without the byte order mark of UTF-8, as some editors write it.
inline std::string_view without_mark(std::string_view text) {
    constexpr std::string_view kMark = "\xEF\xBB\xBF";
    return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

}  // namespace ql
