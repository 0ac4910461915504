#include "models/adapter/regex.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace ql {
namespace {

constexpr uint32_t kMaxSteps = 100'000;  // of a search in a name; a sane pattern needs some hundred

std::string reason(int code) {
    unsigned char text[160] = "unknown error";
    pcre2_get_error_message(code, text, sizeof text);
    return reinterpret_cast<const char *>(text);
}

PCRE2_SPTR units(const std::string & text) {
    return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct Regex::Code {
    pcre2_code * code;
};

void Regex::CodeFree::operator()(Code * code) const {
    pcre2_code_free(code->code);
    delete code;
}

Result<Regex> Regex::compile(const std::string & pattern) {
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_code * compiled = pcre2_compile(units(pattern), pattern.size(), 0, &code, &at, nullptr);
    if (!compiled)
        return error(QL_INVALID_ARGUMENT, "regular expression '%.120s': %s at character %zu", pattern.c_str(),
                     reason(code).c_str(), static_cast<size_t>(at));
    return Regex(pattern, new Code{compiled});
}

Result<bool> Regex::found_in(const std::string & text) const {
    const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match(
        pcre2_match_data_create_from_pattern(code_->code, nullptr), pcre2_match_data_free);
    const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
        pcre2_match_context_create(nullptr), pcre2_match_context_free);
    if (!match || !context) return error(QL_NO_MEMORY, "out of memory");
    pcre2_set_match_limit(context.get(), kMaxSteps);
    const int code = pcre2_match(code_->code, units(text), text.size(), 0, 0, match.get(), context.get());
    if (code >= 0) return true;
    if (code == PCRE2_ERROR_NOMATCH) return false;
    return error(QL_INVALID_ARGUMENT, "regular expression '%.120s': %s", pattern_.c_str(), reason(code).c_str());
}

}  // namespace ql
