// What is a letter or a number is PCRE2's to say: 10.42 knows Unicode 14, characters assigned later are symbols to it.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "models/text/text_pattern.hpp"

#include <pcre2.h>

#include <array>
#include <new>

namespace ql {

struct TextPattern::Impl {
    explicit Impl(pcre2_code * compiled) : code(compiled, pcre2_code_free) {}
    std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code;
};

struct TextPattern::State::Impl {
    Impl()
        : data(pcre2_match_data_create(1, nullptr), pcre2_match_data_free),
          context(pcre2_match_context_create(nullptr), pcre2_match_context_free) {
        if (!data || !context) throw std::bad_alloc();
        pcre2_set_match_limit(context.get(), UINT32_MAX);  // no pattern of the tables needs steps of higher order
    }
    std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data;
    std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context;
};

TextPattern::State::State() : impl_(std::make_unique<Impl>()) {}
TextPattern::State::~State() = default;
TextPattern::State::State(State &&) noexcept = default;
TextPattern::State & TextPattern::State::operator=(State &&) noexcept = default;

TextPattern::TextPattern(std::unique_ptr<const Impl> impl) : impl_(std::move(impl)) {}
TextPattern::TextPattern(TextPattern &&) noexcept = default;
TextPattern & TextPattern::operator=(TextPattern &&) noexcept = default;
TextPattern::~TextPattern() = default;

Result<TextPattern> TextPattern::compile(const std::string & expression) {
    int code = 0;
    size_t offset = 0;
    pcre2_code * compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                                          PCRE2_UTF | PCRE2_UCP, &code, &offset, nullptr);
    if (!compiled) {
        std::array<char, 120> reason{};
        pcre2_get_error_message(code, reinterpret_cast<PCRE2_UCHAR *>(reason.data()), reason.size());
        return error(QL_UNSUPPORTED, "expression '%.120s': %s, at byte %zu", expression.c_str(), reason.data(), offset);
    }
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);  // without a JIT the interpreter matches the same
    return TextPattern(std::make_unique<const Impl>(compiled));
}

bool TextPattern::find(std::string_view text, size_t at, State & state, Match & match) const {
    const auto run = [&](uint32_t options) {
        return pcre2_match(impl_->code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, options,
                           state.impl_->data.get(), state.impl_->context.get());
    };
    int n = run(PCRE2_NO_UTF_CHECK);
    if (n < PCRE2_ERROR_NOMATCH) n = run(PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT);  // the JIT's stack is small
    if (n <= 0) return false;
    const size_t * ends = pcre2_get_ovector_pointer(state.impl_->data.get());
    match = {ends[0], ends[1]};
    return true;
}

bool TextPattern::matches_empty() const {
    uint32_t may_be_empty = 1;
    return pcre2_pattern_info(impl_->code.get(), PCRE2_INFO_MATCHEMPTY, &may_be_empty) != 0 || may_be_empty != 0;
}

}  // namespace ql
