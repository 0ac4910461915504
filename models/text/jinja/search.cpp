#include "models/text/jinja/search.hpp"

namespace ql::jinja {

Result<Search> Search::make(std::string_view text, std::string_view pattern, Meter & meter, bool from_right) {
    if (pattern.empty()) return error(QL_INVALID_ARGUMENT, "an empty string is searched for");
    if (pattern.size() > text.size()) return Search(text, {}, from_right);
    QL_TRY(meter.charge(pattern.size(), sizeof(uint32_t)));
    QL_TRY(meter.scan(text.size() + pattern.size()));
    return Search(text, pattern, from_right);
}

Search::Search(std::string_view text, std::string_view pattern, bool from_right)
    : text_(text), pattern_(pattern), from_right_(from_right), border_(pattern.size()) {
    for (size_t i = 1, length = 0; i < pattern.size(); ++i) {
        while (length > 0 && of_pattern(i) != of_pattern(length)) length = border_[length - 1];
        if (of_pattern(i) == of_pattern(length)) ++length;
        border_[i] = static_cast<uint32_t>(length);
    }
}

size_t Search::next() {
    if (pattern_.empty()) return std::string_view::npos;
    for (size_t matched = 0; at_ < text_.size();) {
        const char c = of_text(at_++);
        while (matched > 0 && c != of_pattern(matched)) matched = border_[matched - 1];
        if (c == of_pattern(matched)) ++matched;
        if (matched == pattern_.size()) return from_right_ ? text_.size() - at_ : at_ - matched;
    }
    return std::string_view::npos;
}

}  // namespace ql::jinja
