// What is a letter, and which is its lower case, is PCRE2's to say: 10.42 knows Unicode 14.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tools/scores/text_rules.hpp"

#include <pcre2.h>

#include <stdexcept>

namespace ql::cli {

struct TextRules::Compiled {
    std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code;
    std::string replacement;

    std::string apply(const std::string & text) const;
};

std::string TextRules::Compiled::apply(const std::string & text) const {
    constexpr uint32_t kOptions =
        PCRE2_SUBSTITUTE_GLOBAL | PCRE2_SUBSTITUTE_EXTENDED | PCRE2_SUBSTITUTE_OVERFLOW_LENGTH;
    const auto bytes = [](const std::string & s) { return reinterpret_cast<PCRE2_SPTR>(s.data()); };
    std::string out(2 * text.size() + 1, '\0');
    for (;;) {
        size_t size = out.size();  // then what it takes, with the zero at the end where it is too little
        const int n =
            pcre2_substitute(code.get(), bytes(text), text.size(), 0, kOptions, nullptr, nullptr, bytes(replacement),
                             replacement.size(), reinterpret_cast<PCRE2_UCHAR *>(out.data()), &size);
        if (n == PCRE2_ERROR_NOMEMORY && size > out.size()) {
            out.resize(size);
            continue;
        }
        if (n < 0) return text;
        out.resize(size);
        return out;
    }
}

TextRules::TextRules(std::initializer_list<TextRule> rules) {
    for (const TextRule & rule : rules) {
        int error = 0;
        size_t at = 0;
        pcre2_code * code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(rule.pattern), PCRE2_ZERO_TERMINATED,
                                          PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr);
        if (!code)
            throw std::runtime_error(std::string("PCRE2 does not take '") + rule.pattern + "': its error " +
                                     std::to_string(error) + ", at byte " + std::to_string(at));
        rules_.push_back(std::make_unique<const Compiled>(Compiled{{code, pcre2_code_free}, rule.replacement}));
    }
}
TextRules::TextRules(TextRules &&) noexcept = default;
TextRules & TextRules::operator=(TextRules &&) noexcept = default;
TextRules::~TextRules() = default;

std::string TextRules::apply(const std::string & text) const {
    std::string out = text;
    for (const auto & rule : rules_) out = rule->apply(out);
    return out;
}

}  // namespace ql::cli
