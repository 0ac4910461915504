// What expressions can do with values: operators, attributes, items, slices, iteration. Messages here carry no line;
// the evaluator adds it.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "models/text/jinja/call.hpp"

namespace ql::jinja {

Result<Value> binary(std::string_view op, const Value & a, const Value & b, Meter & meter);
Result<bool> compare(std::string_view op, const Value & a, const Value & b, Meter & meter);
/// a < b for numbers, strings and lists.
Result<bool> less(const Value & a, const Value & b, Meter & meter);
Result<bool> contains(const Value & container, const Value & item, Meter & meter);
Result<Value> get_attribute(const Value & object, std::string_view name);
Result<Value> get_item(const Value & object, const Value & key, Meter & meter);
/// object[begin:end:step] with absent (none) parts.
Result<Value> get_slice(const Value & object, const Value & begin, const Value & end, const Value & step,
                        Meter & meter);
/// What a loop over the value sees.
Result<std::shared_ptr<const List>> iterate(const Value & value, Meter & meter);

/// text.replace(old, with), at most `count` times (< 0: all).
Result<Value> replace(const Text & text, const Text & old, const Text & with, int64_t count, Meter & meter);
/// text with white space, or any of the characters, taken off its ends.
Result<Value> strip(const Text & text, const Value & characters, bool left, bool right, Meter & meter);
/// text with its & < > ' " as HTML writes them, marked as safe; one that is safe as it is.
Result<TextPtr> escape(const TextPtr & text, Meter & meter);
/// text.format(...) with fields {} {0} {name}; those with more in them are an error.
Result<Value> format_text(const Call & call);
/// Upper and lower case of ASCII; another letter is an error rather than a silent difference.
/// title: every run of letters, as Python's method; words: as Jinja's filter, which cuts at white space and -({[< only.
enum class Case { upper, lower, title, words, capitalize };
Result<Value> change_case(const Text & text, Case to, Meter & meter);

}  // namespace ql::jinja
