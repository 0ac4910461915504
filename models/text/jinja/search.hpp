// Looking for a string in a string in linear time, whatever the two hold.           (Knuth, Morris, Pratt 1977)
// std::string::find takes the product of both lengths in the worst case, which a template of 50 bytes can bring about.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "models/text/jinja/meter.hpp"

namespace ql::jinja {

/// The places of `pattern` in `text`, none overlapping the one before; from the right, if asked. Both must stay.
class Search {
  public:
    /// Charges all that next() will ever cost.     errors  the pattern is empty
    static Result<Search> make(std::string_view text, std::string_view pattern, Meter & meter, bool from_right = false);
    /// Where the next one begins in the text, npos where there is none.
    size_t next();

  private:
    Search(std::string_view text, std::string_view pattern, bool from_right);
    char of_text(size_t i) const { return from_right_ ? text_[text_.size() - 1 - i] : text_[i]; }
    char of_pattern(size_t i) const { return from_right_ ? pattern_[pattern_.size() - 1 - i] : pattern_[i]; }

    std::string_view text_, pattern_;
    bool from_right_;
    size_t at_ = 0;
    std::vector<uint32_t> border_;  // border_[i]: the longest proper prefix of the first i + 1 bytes that ends them too
};

}  // namespace ql::jinja
