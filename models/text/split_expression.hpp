// The regular expressions of tokenizer.json are Oniguruma's; ours are PCRE2's. Most of what tokenizers use is written
// alike in both and means the same, some is written alike and means something else: \s, \v, $ and a dot, scripts, upper
// and lower case. What is known to mean the same is taken over, and the rest is refused by name.
#pragma once
#include <string>
#include <string_view>

#include "ql/status.hpp"

namespace ql {

/// The expression in PCRE2's syntax.
/// errors  QL_UNSUPPORTED, naming the construct and where it stands
Result<std::string> pcre2_of_oniguruma(std::string_view expression);

/// An expression of PCRE2 for exactly that text.
std::string pcre2_of_text(std::string_view text);

}  // namespace ql
