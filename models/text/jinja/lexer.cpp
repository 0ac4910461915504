// The lexer: looks for the next {%, {{ or {#, applies white-space control to the text before it, then reads tokens
// until the tag ends. Brackets are counted, so that "}}" that closes two dicts does not close the tag.
#include "models/text/jinja/lexer.hpp"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <string_view>

#include "models/base/utf8.hpp"
#include "models/text/jinja/text.hpp"

namespace ql::jinja {

Status template_error(int line, const char * fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    std::string text(static_cast<size_t>(std::vsnprintf(nullptr, 0, fmt, args)), '\0');
    va_end(args);
    std::vsnprintf(text.data(), text.size() + 1, fmt, again);
    va_end(again);
    return error(QL_UNSUPPORTED, "line %d: %s", line, text.c_str());
}

namespace {

using Type = Token::Type;
constexpr size_t kLongestName = 256;  // names are copied and compared for the price of a step

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// The source with all newlines as "\n", and without the last one.
std::string normalised(const std::string & source) {
    std::string out;
    out.reserve(source.size());
    for (size_t i = 0; i < source.size(); ++i) {
        if (source[i] == '\r') {
            out.push_back('\n');
            if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
        } else {
            out.push_back(source[i]);
        }
    }
    if (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

class Lexer {
  public:
    explicit Lexer(std::string source) : source_(std::move(source)) {}

    Result<std::vector<Token>> run() {
        while (at_ < source_.size()) QL_TRY(next_part());
        emit(Type::end, "");
        return std::move(tokens_);
    }

  private:
    void emit(Type type, std::string value) { tokens_.push_back({type, std::move(value), line_}); }

    void advance_to(size_t to) {
        line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(at_),
                                             source_.begin() + static_cast<ptrdiff_t>(to), '\n'));
        at_ = to;
    }
    std::string_view before(size_t end) const { return std::string_view(source_).substr(0, end); }
    bool starts(size_t at, std::string_view what) const { return source_.compare(at, what.size(), what) == 0; }

    /// The text up to the next tag, then the tag.
    Status next_part() {
        size_t open = at_;
        while ((open = source_.find('{', open)) != std::string::npos) {
            if (starts(open, "{%") || starts(open, "{{") || starts(open, "{#")) break;
            ++open;
        }
        if (open == std::string::npos) open = source_.size();
        if (open == source_.size()) {
            emit_text(source_.size());
            return {};
        }
        const char kind = source_[open + 1];
        const char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
        size_t end = open;
        if (sign == '-') {
            end = skip_space_back(before(open), at_);
        } else if (sign != '+' && kind != '{') {
            end = lstripped(open);
        }
        emit_text(end);
        advance_to(open + 2 + (sign == '-' || sign == '+' ? 1 : 0));
        if (kind == '#') return skip_comment();
        if (kind == '%' && is_raw()) return raw_block();
        return read_tag(kind == '{');
    }

    void emit_text(size_t end) {
        if (end > at_) emit(Type::text, source_.substr(at_, end - at_));
        advance_to(end);
    }

    /// lstrip_blocks: where the text ends if only white space stands between the line's start and the tag.
    size_t lstripped(size_t open) const {
        const size_t newline = before(open).substr(at_).rfind('\n');
        const size_t line_start = newline == std::string_view::npos ? at_ : at_ + newline + 1;
        if (line_start == at_ && at_ > 0 && source_[at_ - 1] != '\n') return open;
        return skip_space(before(open), line_start) == open ? line_start : open;
    }

    /// After a tag's closing braces: "-" eats white space; trim_blocks eats one newline.
    void close(size_t end, char sign, bool trim) {
        if (sign == '-') {
            end = skip_space(source_, end);
        } else if (trim && sign != '+' && end < source_.size() && source_[end] == '\n') {
            ++end;
        }
        advance_to(end);
    }

    Status skip_comment() {
        const size_t close_at = source_.find("#}", at_);
        if (close_at == std::string::npos) return template_error(line_, "a comment {# is not closed");
        close(close_at + 2, close_at > at_ ? source_[close_at - 1] : '\0', true);
        return {};
    }

    /// The position after white space and `word` if that is what follows.
    size_t after_word(size_t at, std::string_view word) const {
        at = skip_space(source_, at);
        return starts(at, word) ? skip_space(source_, at + word.size()) : std::string::npos;
    }

    bool is_raw() const {
        const size_t at = after_word(at_, "raw");
        return at != std::string::npos && (starts(at, "%}") || starts(at, "-%}"));
    }

    Status raw_block() {
        const size_t opened = source_.find("%}", at_);
        close(opened + 2, source_[opened - 1], false);
        for (size_t open = at_; (open = source_.find("{%", open)) != std::string::npos; ++open) {
            const char sign = source_[open + 2];
            const size_t at = after_word(open + 2 + (sign == '-' || sign == '+' ? 1 : 0), "endraw");
            if (at == std::string::npos) continue;
            const size_t closed = starts(at, "%}")                         ? at
                                  : starts(at, "-%}") || starts(at, "+%}") ? at + 1
                                                                           : source_.size();
            if (closed == source_.size()) continue;
            const size_t text_end = sign == '-'   ? skip_space_back(before(open), at_)
                                    : sign == '+' ? open
                                                  : lstripped(open);
            emit_text(text_end);
            close(closed + 2, source_[closed - 1], true);
            return {};
        }
        return template_error(line_, "a {%% raw %%} block is not closed");
    }

    /// Tokens up to %} or }}.
    Status read_tag(bool is_variable) {
        const std::string_view ending = is_variable ? "}}" : "%}";
        const int opened_at = line_;
        emit(is_variable ? Type::variable_begin : Type::block_begin, "");
        std::string brackets;
        while (true) {
            advance_to(skip_space(source_, at_));
            if (at_ >= source_.size())
                return template_error(opened_at, "a tag %s is not closed", is_variable ? "{{" : "{%");
            const char c = source_[at_];
            const bool sign = c == '-' || (c == '+' && !is_variable);
            if (brackets.empty() && starts(at_ + (sign ? 1 : 0), ending)) {
                emit(is_variable ? Type::variable_end : Type::block_end, "");
                close(at_ + (sign ? 3 : 2), sign ? c : '\0', !is_variable);
                return {};
            }
            QL_TRY(read_token(brackets));
        }
    }

    Status read_token(std::string & brackets) {
        const char c = source_[at_];
        if (is_digit(c)) return read_number();
        if (is_letter(c)) {
            size_t end = at_;
            while (end < source_.size() && (is_letter(source_[end]) || is_digit(source_[end]))) ++end;
            if (end - at_ > kLongestName) return template_error(line_, "a name has %zu bytes", end - at_);
            return take(Type::name, end);
        }
        if (c == '"' || c == '\'') return read_string(c);
        return read_operator(brackets);
    }

    Status take(Type type, size_t end) {
        emit(type, source_.substr(at_, end - at_));
        advance_to(end);
        return {};
    }

    Status read_number() {
        size_t end = at_;
        const auto digits = [&] {
            while (end < source_.size() && (is_digit(source_[end]) || source_[end] == '_')) ++end;
        };
        digits();
        bool floating = false;
        if (end + 1 < source_.size() && source_[end] == '.' && is_digit(source_[end + 1])) {
            floating = true;
            ++end;
            digits();
        }
        if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
            size_t exponent = end + 1;
            if (exponent < source_.size() && (source_[exponent] == '-' || source_[exponent] == '+')) ++exponent;
            if (exponent < source_.size() && is_digit(source_[exponent])) {
                floating = true;
                end = exponent;
                digits();
            }
        }
        std::string value = source_.substr(at_, end - at_);
        std::erase(value, '_');
        emit(floating ? Type::floating : Type::integer, std::move(value));
        advance_to(end);
        return {};
    }

    Status read_operator(std::string & brackets) {
        static constexpr std::array<std::string_view, 6> two = {"//", "**", "==", "!=", "<=", ">="};
        for (const std::string_view op : two)
            if (starts(at_, op)) return take(Type::op, at_ + 2);
        const char c = source_[at_];
        if (std::string_view("+-*/%~[](){},:.|=<>").find(c) == std::string_view::npos)
            return template_error(line_, "unexpected character '%s'",
                                  source_.substr(at_, utf8_length(source_, at_)).c_str());
        if (c == '(' || c == '[' || c == '{') brackets.push_back(c);
        if (c == ')' || c == ']' || c == '}') {
            const char opening = c == ')' ? '(' : c == ']' ? '[' : '{';
            if (brackets.empty() || brackets.back() != opening) return template_error(line_, "unexpected '%c'", c);
            brackets.pop_back();
        }
        return take(Type::op, at_ + 1);
    }

    Status read_string(char quote) {
        const int opened_at = line_;
        std::string value;
        size_t i = at_ + 1;
        while (i < source_.size() && source_[i] != quote) {
            if (source_[i] != '\\' || i + 1 >= source_.size()) {
                value.push_back(source_[i++]);
                continue;
            }
            QL_TRY(read_escape(value, i));
        }
        if (i >= source_.size()) return template_error(opened_at, "a string is not closed");
        emit(Type::string, std::move(value));
        advance_to(i + 1);
        return {};
    }

    /// One backslash escape at `i`, as in a Python string; an unknown one stands for itself.
    Status read_escape(std::string & value, size_t & i) {
        static constexpr std::string_view letters = "ntr\\'\"abfv", bytes = "\n\t\r\\'\"\a\b\f\v";
        const char c = source_[i + 1];
        if (c == '\n') {
            i += 2;
            return {};
        }
        if (const size_t which = letters.find(c); which != std::string_view::npos) {
            value.push_back(bytes[which]);
            i += 2;
            return {};
        }
        if (c >= '0' && c <= '7') return read_code(value, i, i + 1, 3, 8);
        if (c == 'x') return read_code(value, i, i + 2, 2, 16);
        if (c == 'u') return read_code(value, i, i + 2, 4, 16);
        if (c == 'U') return read_code(value, i, i + 2, 8, 16);
        value.push_back('\\');
        ++i;
        return {};
    }

    Status read_code(std::string & value, size_t & i, size_t begin, size_t max_digits, uint32_t base) {
        uint32_t code = 0;
        size_t at = begin;
        for (; at < source_.size() && at < begin + max_digits; ++at) {
            const char c = source_[at];
            const int digit = is_digit(c)            ? c - '0'
                              : c >= 'a' && c <= 'f' ? c - 'a' + 10
                              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                     : 99;
            if (digit >= static_cast<int>(base)) break;
            code = code * base + static_cast<uint32_t>(digit);
        }
        if (at == begin || (base == 16 && at != begin + max_digits) || code > 0x10FFFF)
            return template_error(line_, "a string holds a bad escape sequence");
        append_utf8(value, code);
        i = at;
        return {};
    }

    std::string source_;
    size_t at_ = 0;
    int line_ = 1;
    std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(const std::string & source) {
    return Lexer(normalised(source)).run();
}

}  // namespace ql::jinja
