// A recursive descent through the expression that writes the translated one as it goes. A repetition of something that
// itself repeats is refused: with it a short text can take for ever.
#include "models/text/split_expression.hpp"

#include <algorithm>

#include "models/base/utf8.hpp"

namespace ql {
namespace {

constexpr size_t kMaxSize = 4096;  // the longest known has 500 bytes
constexpr int kMaxDepth = 16;
constexpr int kMaxRepeat = 1000;

// Scripts are few, since PCRE2 must be told that scripts, and not their extensions, are meant.
constexpr std::string_view kScripts[] = {"Arabic", "Cyrillic", "Devanagari", "Greek", "Han", "Hangul",
                                         "Hebrew", "Hiragana", "Katakana",   "Latin", "Thai"};
constexpr std::string_view kCategories[] = {"L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",  "Mc", "Me", "Mn", "N",
                                            "Nd", "Nl", "No", "P",  "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps",
                                            "S",  "Sc", "Sk", "Sm", "So", "Z",  "Zl", "Zp", "Zs"};
// Two letters that Oniguruma also finds in one character where case does not count: the sharp s, and ligatures.
constexpr std::string_view kFolded[] = {"ss", "st", "ff", "fi", "fl"};

template <size_t N>
bool is_in(const std::string_view (&list)[N], std::string_view name) {
    return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

class Translator {
  public:
    explicit Translator(std::string_view expression) : all_(expression), rest_(expression) {}

    Result<std::string> run() {
        if (all_.size() > kMaxSize) return unsupported("more than 4096 bytes");
        if (!is_well_formed_utf8(all_)) return unsupported("malformed UTF-8");
        bool repeats = false;
        QL_TRY(alternatives(0, repeats));
        if (!rest_.empty()) return unsupported("a ')' alone");
        return std::move(out_);
    }

  private:
    Status unsupported(const std::string & what) const {
        return error(QL_UNSUPPORTED, "expression '%.200s': %s is not supported, at byte %zu", std::string(all_).c_str(),
                     what.c_str(), all_.size() - rest_.size());
    }
    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    std::string_view take_character() {
        const std::string_view character = rest_.substr(0, next_utf8(rest_).size);
        rest_.remove_prefix(character.size());
        return character;
    }

    Status alternatives(int depth, bool & repeats) {
        if (depth > kMaxDepth) return unsupported("nesting so deep");
        for (;;) {
            while (!rest_.empty() && rest_[0] != '|' && rest_[0] != ')') {
                bool inner = false;
                QL_TRY(atom(depth, inner));
                QL_TRY(repetition(inner));
                repeats |= inner;
            }
            if (!take("|")) return {};
            out_ += '|';
        }
    }

    Status atom(int depth, bool & repeats) {
        if (take("(?i:")) return caseless();
        for (const std::string_view open : {"(?:", "(?=", "(?!"}) {
            if (take(open)) return group(open, depth, repeats);
        }
        if (rest_.starts_with("(?")) return unsupported("'" + std::string(rest_.substr(0, 4)) + "'");
        if (take("(")) return group("(?:", depth, repeats);
        if (take("[")) return character_class();
        if (take("\\")) return escape();
        if (take("$")) return out_ += "(?=\\n|\\z)", Status();  // always the end of a line
        if (take(".")) return out_ += "[^\\n]", Status();
        if (std::string_view("^*+?{}]").find(rest_[0]) != std::string_view::npos)
            return unsupported(std::string("'") + rest_[0] + "' here");
        out_ += pcre2_of_text(take_character());
        return {};
    }

    Status group(std::string_view open, int depth, bool & repeats) {
        out_ += open;
        QL_TRY(alternatives(depth + 1, repeats));
        if (!take(")")) return unsupported("a '(' that is not closed");
        out_ += ')';
        return {};
    }

    /// (?i:...) of plain words.
    Status caseless() {
        out_ += "(?i:";
        std::string word;
        while (!rest_.empty() && rest_[0] != ')') {
            const char c = rest_[0];
            if (!is_alphanumeric(c) && c != '\'' && c != '|') return unsupported("more than plain words behind '(?i:'");
            word = c == '|' ? std::string() : word + static_cast<char>(is_alphanumeric(c) ? c | 0x20 : c);
            if (word.size() >= 2 && is_in(kFolded, std::string_view(word).substr(word.size() - 2)))
                return unsupported("'" + word + "' without regard to case");
            out_ += c;
            rest_.remove_prefix(1);
        }
        if (!take(")")) return unsupported("a '(' that is not closed");
        out_ += ')';
        return {};
    }

    Status repetition(bool & repeats) {
        if (rest_.empty() || std::string_view("*+?{").find(rest_[0]) == std::string_view::npos) return {};
        const bool optional = rest_[0] == '?', counted = rest_[0] == '{';
        if (repeats && !optional) return unsupported("a repetition of what repeats");
        if (counted) {
            QL_TRY(count());
        } else {
            out_ += rest_[0];
            rest_.remove_prefix(1);
            if (!rest_.empty() && (rest_[0] == '?' || rest_[0] == '+')) {  // lazy, possessive
                out_ += rest_[0];
                rest_.remove_prefix(1);
            }
        }
        if (!rest_.empty() && std::string_view("*+?{").find(rest_[0]) != std::string_view::npos)
            return unsupported("a repetition of a repetition");
        repeats |= !optional;
        return {};
    }

    /// {n}, {n,} or {n,m}
    Status count() {
        const size_t end = rest_.find('}');
        const std::string_view inside = end == rest_.npos ? std::string_view() : rest_.substr(1, end - 1);
        const size_t comma = inside.find(',');
        const auto fits = [](std::string_view digits) {
            return digits.size() <= 4 &&
                   std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
                   (digits.empty() || std::stoi(std::string(digits)) <= kMaxRepeat);
        };
        const std::string_view low = inside.substr(0, comma);
        const std::string_view high = comma == inside.npos ? std::string_view() : inside.substr(comma + 1);
        if (low.empty() || !fits(low) || !fits(high)) return unsupported("such a count");
        out_ += rest_.substr(0, end + 1);
        rest_.remove_prefix(end + 1);
        return {};
    }

    Status character_class() {
        out_ += '[';
        if (take("^")) out_ += '^';
        if (rest_.starts_with("]")) return unsupported("']' first in a class");
        while (!rest_.empty() && rest_[0] != ']') {
            if (rest_[0] == '[' || rest_.starts_with("&&")) return unsupported("a class inside a class");
            if (take("\\")) {
                QL_TRY(escape());
            } else if (take("-")) {
                out_ += rest_.starts_with("]") || out_.ends_with('[') || out_.ends_with("[^") ? "\\-" : "-";
            } else {
                out_ += pcre2_of_text(take_character());
            }
        }
        if (!take("]")) return unsupported("a '[' that is not closed");
        out_ += ']';
        return {};
    }

    Status escape() {
        if (rest_.empty()) return unsupported("a '\\' at the end");
        const char c = rest_[0];
        if (c == 'p' || c == 'P') return property();
        if (!is_alphanumeric(c)) return out_ += pcre2_of_text(take_character()), Status();
        struct Same {
            char name;
            const char * meaning;
        };
        constexpr Same kSame[] = {{'s', "\\p{WSpace}"}, {'S', "\\P{WSpace}"}, {'d', "\\p{Nd}"},
                                  {'D', "\\P{Nd}"},     {'r', "\\r"},         {'n', "\\n"},
                                  {'t', "\\t"},         {'f', "\\f"},         {'v', "\\x0B"}};
        for (const Same & same : kSame) {
            if (same.name != c) continue;
            rest_.remove_prefix(1);
            out_ += same.meaning;
            return {};
        }
        return unsupported(std::string("'\\") + c + "'");
    }

    /// \p{L}, \P{L}, \p{^L}
    Status property() {
        const size_t end = rest_.find('}');
        if (end == rest_.npos || rest_.size() < 3 || rest_[1] != '{') return unsupported("a property without its name");
        bool negated = rest_[0] == 'P';
        std::string_view name = rest_.substr(2, end - 2);
        if (name.starts_with('^')) {
            negated = !negated;
            name.remove_prefix(1);
        }
        const bool script = is_in(kScripts, name);
        if (!script && !is_in(kCategories, name)) return unsupported("'\\p{" + std::string(name) + "}'");
        out_ += negated ? "\\P{" : "\\p{";
        out_ += (script ? "sc:" : "") + std::string(name) + "}";
        rest_.remove_prefix(end + 1);
        return {};
    }

    std::string_view all_, rest_;
    std::string out_;
};

}  // namespace

Result<std::string> pcre2_of_oniguruma(std::string_view expression) {
    return Translator(expression).run();
}

std::string pcre2_of_text(std::string_view text) {
    std::string expression;
    for (const char c : text) {
        const bool plain = is_alphanumeric(c) || static_cast<unsigned char>(c) >= 0x80 || c == ' ' ||
                           static_cast<unsigned char>(c) < 0x20;
        if (!plain) expression += '\\';
        expression += c;
    }
    return expression;
}

}  // namespace ql
