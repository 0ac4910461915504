#include "models/adapter/patterns.hpp"

#include <algorithm>
#include <charconv>

namespace ql {
namespace {

struct Number {
    double value = 0;
    size_t end = 0;  // of its text; 0: there is none
};

/// The number that stands right after `at` and before a comma or the end.
Number number_at(const std::string & text, size_t at) {
    Number n;
    const char * const last = text.data() + text.size();
    const auto [end, fault] = std::from_chars(text.data() + at, last, n.value);
    if (fault == std::errc() && (end == last || *end == ',')) n.end = static_cast<size_t>(end - text.data());
    return n;
}

}  // namespace

Result<Patterns> Patterns::parse(const std::string & what, const std::string & text) {
    Patterns patterns(what);
    for (size_t start = 0; start < text.size();) {
        size_t equals = text.find('=', start);
        Number number;
        while (equals != text.npos && (number = number_at(text, equals + 1)).end == 0)
            equals = text.find('=', equals + 1);
        if (equals == text.npos || equals == start)
            return error(QL_INVALID_ARGUMENT, "%s '%.120s': REGEX=NUMBER is needed, several with commas between",
                         what.c_str(), text.c_str() + start);
        QL_TRY(patterns.add(text.substr(start, equals - start), number.value));
        start = number.end + 1;
        if (start == text.size())
            return error(QL_INVALID_ARGUMENT, "%s '%.120s': nothing follows the last comma", what.c_str(),
                         text.c_str());
    }
    return patterns;
}

Status Patterns::add(const std::string & expression, double value) {
    for (const Pattern & p : patterns_)
        if (p.expression == expression)
            return error(QL_INVALID_ARGUMENT, "%s '%.120s' stands there twice", what_.c_str(), expression.c_str());
    auto regex = Regex::compile(expression);
    if (!regex.ok()) return error(regex.code(), "%s: %s", what_.c_str(), regex.message().c_str());
    patterns_.push_back({expression, std::move(regex).value(), value});
    return {};
}

Result<const Patterns::Pattern *> Patterns::find(const std::string & weight) {
    for (Pattern & p : patterns_) {
        QL_ASSIGN(const bool found, p.regex.found_in(weight));
        if (!found) continue;
        p.used = true;
        return &p;
    }
    return nullptr;
}

Status Patterns::check_used() const {
    const auto idle = std::find_if(patterns_.begin(), patterns_.end(), [](const Pattern & p) { return !p.used; });
    if (idle == patterns_.end()) return {};
    return error(QL_INVALID_ARGUMENT,
                 "%s '%.120s' decides for no linear: it is found in none of the targets' names (such as "
                 "blk.0.attn_q.weight), or a pattern before it is found in all of those",
                 what_.c_str(), idle->expression.c_str());
}

}  // namespace ql
