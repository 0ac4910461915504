#include "tools/scores/final_answer.hpp"

#include <algorithm>

namespace ql::cli {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f\v";

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
/// Behind such a byte a minus is no sign, and a point begins no number.
bool is_of_a_word(char c) {
    return is_digit(c) || c == '.' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           static_cast<unsigned char>(c) >= 0x80;
}

/// How many digits stand at a byte.
size_t n_digits(std::string_view text, size_t at) {
    size_t n = 0;
    while (at + n < text.size() && is_digit(text[at + n])) ++n;
    return n;
}

/// Whether the comma at a byte, behind a digit, is one of thousands.
bool is_of_thousands(std::string_view text, size_t comma) {
    return comma < text.size() && text[comma] == ',' && n_digits(text, comma + 1) == 3;
}

std::string without_thousands(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i)
        if (i == 0 || !is_digit(text[i - 1]) || !is_of_thousands(text, i)) out += text[i];
    return out;
}

std::string_view trimmed(std::string_view text) {
    const size_t first = text.find_first_not_of(kBlanks);
    return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

struct Number {
    std::string digits;  // without commas; "" for none
    size_t end = 0;      // the byte behind it
};

Number number_from(std::string_view text, size_t at) {
    while (at < text.size() && !is_digit(text[at])) ++at;
    if (at >= text.size()) return {"", text.size()};
    size_t begin = at, end = at + n_digits(text, at);
    if (end - at <= 3)
        while (is_of_thousands(text, end)) end += 4;
    const bool point_before = begin > 0 && text[begin - 1] == '.' && (begin < 2 || !is_of_a_word(text[begin - 2]));
    if (point_before)
        --begin;
    else if (end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1]))
        end += 1 + n_digits(text, end + 1);
    if (begin > 0 && text[begin - 1] == '-' && (begin < 2 || !is_of_a_word(text[begin - 2]))) --begin;
    std::string digits(text.substr(begin, end - begin));
    std::erase(digits, ',');
    return {std::move(digits), end};
}

std::string last_number(std::string_view text) {
    std::string last;
    for (Number n; n.end < text.size() && !(n = number_from(text, n.end)).digits.empty();) last = n.digits;
    return last;
}

}  // namespace

bool FinalAnswer::find_line(std::string_view text, std::string_view & line) const {
    const size_t at = text.rfind(marker_);
    if (at == text.npos) return false;
    const std::string_view rest = trimmed(text.substr(at + marker_.size()));
    line = trimmed(rest.substr(0, rest.find('\n')));
    return true;
}

std::string FinalAnswer::of(std::string_view text) const {
    std::string_view line;
    return find_line(text, line) ? without_thousands(line) : last_number(text);
}

bool FinalAnswer::agrees(std::string_view wanted, std::string_view got) const {
    const std::string right = of(wanted);
    if (right.empty()) return false;
    if (of(got) == right) return true;
    std::string_view line;
    return number_from(right, 0).digits == right && find_line(got, line) && number_from(line, 0).digits == right;
}

}  // namespace ql::cli
