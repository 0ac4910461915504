// Values as text: what {{ x }} prints, and JSON.
#pragma once
#include <string>

#include "models/text/jinja/value.hpp"

namespace ql::jinja {

/// Python's str(); a string's own text.
Result<TextPtr> to_text(const Value & value, Meter & meter);

/// Python's json.dumps(); indent < 0 for one line.
struct JsonStyle {
    int indent = -1;
    bool ensure_ascii = false, sort_keys = false;
    std::string item_separator = ", ", key_separator = ": ";
};
Result<Text> to_json(const Value & value, const JsonStyle & style, Meter & meter);

/// Python's repr() of a float: the shortest digits that read back the same.
std::string float_repr(double value);

}  // namespace ql::jinja
