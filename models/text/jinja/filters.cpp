// Filters of single values: text, numbers, JSON. Those that work on lists are in list_filters.cpp.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/print.hpp"

namespace ql::jinja {

namespace {

using type::kAny, type::kFloat, type::kInteger, type::kList, type::kNone, type::kNumber, type::kText, type::kUndefined;

Result<Value> cased(const Call & call, Case to) {
    QL_ASSIGN(const TextPtr text, to_text(call.self, call.meter));
    return change_case(*text, to, call.meter);
}

Result<Value> trim(const Call & call) {
    QL_ASSIGN(const TextPtr text, to_text(call.self, call.meter));
    return strip(*text, call.args[0], true, true, call.meter);
}

Result<Value> default_filter(const Call & call) {
    const bool absent = call.self.is_undefined() || (call.args[1].truthy() && !call.self.truthy());
    if (!absent) return call.self;
    return call.given(0) ? call.args[0] : Value("");
}

Result<Value> string(const Call & call) {
    QL_ASSIGN(TextPtr text, to_text(call.self, call.meter));
    return Value(std::move(text));
}

Result<Value> safe(const Call & call) {
    QL_ASSIGN(TextPtr text, to_text(call.self, call.meter));
    if (text->is_safe()) return Value(std::move(text));
    QL_ASSIGN(const Value copy, make_part(*text, 0, text->size(), call.meter));
    Text marked = copy.text();
    marked.mark_safe();
    return Value(std::move(marked));
}

Result<Value> escaped(const Call & call) {
    QL_ASSIGN(const TextPtr text, to_text(call.self, call.meter));
    QL_ASSIGN(TextPtr out, escape(text, call.meter));
    return Value(std::move(out));
}

Result<Value> replace_filter(const Call & call) {
    QL_ASSIGN(const TextPtr text, to_text(call.self, call.meter));
    QL_ASSIGN(const TextPtr old, to_text(call.args[0], call.meter));
    QL_ASSIGN(const TextPtr with, to_text(call.args[1], call.meter));
    return replace(*text, *old, *with, call.integer(2, -1), call.meter);
}

Result<Value> tojson(const Call & call) {
    JsonStyle style;
    style.ensure_ascii = call.args[0].truthy();
    style.sort_keys = call.args[3].truthy();
    if (call.has(1)) {
        const int64_t indent = call.integer(1, 0);
        if (indent < 0 || indent > 64)
            return error(QL_UNSUPPORTED, "tojson: an indent of %lld", static_cast<long long>(indent));
        style.indent = static_cast<int>(indent);
        style.item_separator = ",";
    }
    if (call.has(2)) {
        const auto & pair = call.args[2].list().items;
        if (pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string())
            return error(QL_INVALID_ARGUMENT, "tojson: 'separators' must be two strings");
        QL_TRY(call.meter.charge(pair[0].text().size() + pair[1].text().size()));
        style.item_separator = pair[0].text().bytes();
        style.key_separator = pair[1].text().bytes();
    }
    QL_ASSIGN(Text text, to_json(call.self, style, call.meter));
    return Value(std::move(text));
}

/// A number as Python's float() reads it; false if it is none.
bool parse_number(std::string text, double * number) {
    if (text.starts_with('+')) text.erase(0, 1);
    const auto result = std::from_chars(text.data(), text.data() + text.size(), *number);
    return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}

/// The text of a number is short; a longer text is none, and gives "".
Result<std::string> number_text(const Call & call) {
    constexpr size_t kLongest = 400;
    QL_ASSIGN(const Value stripped, strip(call.self.text(), Value(None{}), true, true, call.meter));
    return stripped.text().size() <= kLongest ? stripped.text().bytes() : std::string();
}

/// Python's int() of a float, or `otherwise` where there is none.
Result<Value> whole(double number, const Value & otherwise) {
    if (!std::isfinite(number)) return otherwise;
    if (std::fabs(number) >= 9e18) return error(QL_UNSUPPORTED, "int: %g is too large for an integer", number);
    return Value(static_cast<int64_t>(number));
}

Result<Value> int_filter(const Call & call) {
    const Value otherwise = call.given(0) ? call.args[0] : Value(int64_t{0});
    if (call.integer(1, 10) != 10) return error(QL_UNSUPPORTED, "int with a base is not supported");
    if (call.self.is_integer()) return Value(call.self.integer());
    if (call.self.is_number()) return whole(call.self.number(), otherwise);
    if (!call.self.is_string()) return otherwise;
    QL_ASSIGN(std::string text, number_text(call));
    double number = 0;
    const bool is_number = parse_number(text, &number);
    if (text.starts_with('+')) text.erase(0, 1);
    int64_t value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (!text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size()) return Value(value);
    if (!is_number) return otherwise;
    return whole(number, otherwise);
}

Result<Value> float_filter(const Call & call) {
    const Value otherwise = call.given(0) ? call.args[0] : Value(0.0);
    if (call.self.is_number()) return Value(call.self.number());
    if (!call.self.is_string()) return otherwise;
    QL_ASSIGN(const std::string text, number_text(call));
    double number = 0;
    return parse_number(text, &number) ? Value(number) : otherwise;
}

Result<Value> absolute(const Call & call) {
    if (!call.self.is_integer()) return Value(std::fabs(call.self.number()));
    return call.self.integer() < 0 ? binary("-", Value(int64_t{0}), Value(call.self.integer()), call.meter)
                                   : Value(call.self.integer());
}

/// Indents every line but the first; empty lines stay empty unless asked for.
Result<Value> indent(const Call & call) {
    const Text & text = call.self.text();
    Text space;
    if (call.has(0) && call.args[0].is_string()) {
        QL_TRY(append(space, call.args[0].text(), call.meter));
    } else {
        const int64_t width = call.integer(0, 4);
        if (width < 0 || width > 1000)
            return error(QL_UNSUPPORTED, "indent: a width of %lld", static_cast<long long>(width));
        space = Text(std::string(static_cast<size_t>(width), ' '));
    }
    QL_TRY(call.meter.scan(text.size()));
    QL_TRY(call.meter.charge(sizeof(Text)));
    Text out;
    size_t at = 0;
    for (bool first = true;; first = false) {
        QL_TRY(call.meter.step());
        const size_t newline = std::min(text.bytes().find('\n', at), text.size());
        const bool moved = first ? call.args[1].truthy() : newline > at || call.args[2].truthy();
        if (moved) QL_TRY(append(out, space, call.meter));
        QL_TRY(append(out, text, at, std::min(newline + 1, text.size()), call.meter));
        if (newline == text.size()) return Value(std::move(out));
        at = newline + 1;
    }
}

Result<Value> count(const Call & call) {
    if (call.self.is_undefined()) return Value(int64_t{0});
    if (call.self.is_list()) return Value(static_cast<int64_t>(call.self.list().items.size()));
    if (call.self.is_dict()) return Value(static_cast<int64_t>(call.self.dict().size()));
    QL_TRY(call.meter.scan(call.self.text().size()));
    return Value(static_cast<int64_t>(utf8_count(call.self.text().view())));
}

constexpr Types kSized = kText | kList | type::kDict | kUndefined;

}  // namespace

const std::vector<Builtin> & filters() {
    static const std::vector<Builtin> table = {
        {"trim", kAny, {{"chars", kText | kNone}}, trim},
        {"upper", kAny, {}, [](const Call & call) { return cased(call, Case::upper); }},
        {"lower", kAny, {}, [](const Call & call) { return cased(call, Case::lower); }},
        {"title", kAny, {}, [](const Call & call) { return cased(call, Case::words); }},
        {"capitalize", kAny, {}, [](const Call & call) { return cased(call, Case::capitalize); }},
        {"default", kAny, {{"default_value"}, {"boolean"}}, default_filter},
        {"d", kAny, {{"default_value"}, {"boolean"}}, default_filter},
        {"string", kAny, {}, string},
        {"safe", kAny, {}, safe},
        {"escape", kAny, {}, escaped},
        {"e", kAny, {}, escaped},
        {"replace", kAny, {{"old", kAny, true}, {"new", kAny, true}, {"count", kInteger | kNone}}, replace_filter},
        {"tojson",
         kAny,
         {{"ensure_ascii"}, {"indent", kInteger | kNone}, {"separators", kList | kNone}, {"sort_keys"}},
         tojson},
        {"int", kAny, {{"default"}, {"base", kInteger}}, int_filter},
        {"float", kAny, {{"default"}}, float_filter},
        {"abs", kNumber, {}, absolute},
        {"indent", kText, {{"width", kInteger | kText}, {"first"}, {"blank"}}, indent},
        {"length", kSized, {}, count},
        {"count", kSized, {}, count},
    };
    return table;
}

Result<Value> apply_filter(Call call) {
    const auto & table = find_builtin(filters(), call.name) ? filters() : filters_of_lists();
    return run_builtin(table, "filter", std::move(call));
}

}  // namespace ql::jinja
