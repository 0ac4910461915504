// Filters of single values: text, numbers, JSON. Those that work on lists are in jinja_list_filters.cpp.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "models/text/jinja_ops.hpp"

namespace ql::jinja {

Text strip(const Text & text, const Value & characters, bool left, bool right) {
    if (!characters.is_string()) {
        const size_t begin = left ? skip_space(text.view()) : 0;
        return text.sub(begin, right ? skip_space_back(text.view(), begin) : text.size());
    }
    const std::vector<size_t> offsets = utf8_offsets(text.view());
    const std::string & set = characters.text().bytes();
    const auto in_set = [&](size_t i) {
        return set.find(text.bytes().substr(offsets[i], offsets[i + 1] - offsets[i])) != std::string::npos;
    };
    size_t begin = 0, end = offsets.size() - 1;
    while (left && begin < end && in_set(begin)) ++begin;
    while (right && end > begin && in_set(end - 1)) --end;
    return text.sub(offsets[begin], offsets[end]);
}

Result<Text> replace(const Text & text, const Text & old, const Text & with, int64_t count, Meter & meter) {
    if (old.empty()) return error(QL_UNSUPPORTED, "replacing an empty string is not supported");
    Text out;
    size_t at = 0, found;
    for (; count != 0 && (found = text.bytes().find(old.bytes(), at)) != std::string::npos; --count) {
        QL_TRY(meter.charge(with.size() + 1));
        out.append(text, at, found);
        out.append(with);
        at = found + old.size();
    }
    QL_TRY(meter.charge(text.size()));
    out.append(text, at, text.size());
    return out;
}

Result<Text> change_case(const Text & text, Case to) {
    std::string bytes = text.bytes();
    bool in_word = false;
    for (char & c : bytes) {
        if (static_cast<unsigned char>(c) >= 0x80)
            return error(QL_UNSUPPORTED, "changing the case of letters beyond ASCII is not supported");
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool up = to == Case::upper || (to != Case::lower && !in_word);
        if (letter) c = static_cast<char>(up ? c & ~0x20 : c | 0x20);
        in_word = to == Case::words ? std::string_view("-({[< \t\n\v\f\r").find(c) == std::string_view::npos
                                    : to == Case::capitalize || letter;
    }
    return text.with_bytes(std::move(bytes));
}

namespace {

Result<Value> cased(const Call & call, Case to) {
    QL_ASSIGN(const Text text, to_text(call.self, call.meter));
    QL_ASSIGN(Text out, change_case(text, to));
    return make_text(std::move(out), call.meter);
}

Result<Value> trim(const Call & call) {
    QL_ASSIGN(const Text text, to_text(call.self, call.meter));
    return make_text(strip(text, call.args[0], true, true), call.meter);
}

Result<Value> default_filter(const Call & call) {
    const bool absent = call.self.is_undefined() || (call.args[1].truthy() && !call.self.truthy());
    return absent ? (call.args[0].is_undefined() ? Value("") : call.args[0]) : call.self;
}

Result<Value> string(const Call & call) {
    QL_ASSIGN(Text text, to_text(call.self, call.meter));
    return make_text(std::move(text), call.meter);
}

Result<Value> replace_filter(const Call & call) {
    QL_ASSIGN(const Text text, to_text(call.self, call.meter));
    QL_ASSIGN(const Text old, call.text(0, nullptr));
    QL_ASSIGN(const Text with, call.text(1, nullptr));
    QL_ASSIGN(const int64_t count, call.integer(2, -1));
    QL_ASSIGN(Text out, replace(text, old, with, count, call.meter));
    return Value(std::move(out));
}

Result<Value> tojson(const Call & call) {
    JsonStyle style;
    style.ensure_ascii = call.args[0].truthy();
    style.sort_keys = call.args[3].truthy();
    if (call.has(1)) {
        QL_ASSIGN(const int64_t indent, call.integer(1, 0));
        if (indent < 0 || indent > 64)
            return error(QL_UNSUPPORTED, "tojson: an indent of %lld", static_cast<long long>(indent));
        style.indent = static_cast<int>(indent);
        style.item_separator = ",";
    }
    if (call.has(2)) {
        const Value & pair = call.args[2];
        if (!pair.is_list() || pair.list().items.size() != 2 || !pair.list().items[0].is_string() ||
            !pair.list().items[1].is_string())
            return error(QL_INVALID_ARGUMENT, "tojson: separators are two strings");
        style.item_separator = pair.list().items[0].text().bytes();
        style.key_separator = pair.list().items[1].text().bytes();
    }
    QL_ASSIGN(Text text, to_json(call.self, style, call.meter));
    return Value(std::move(text));
}

/// The number that a string spells, if it does.
bool parse_number(const std::string & text, double * value) {
    const auto result = std::from_chars(text.data(), text.data() + text.size(), *value);
    return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}

Result<Value> int_filter(const Call & call) {
    QL_ASSIGN(const int64_t otherwise, call.integer(0, 0));
    if (call.self.is_integer()) return Value(call.self.integer());
    double number = 0;
    if (call.self.is_number()) {
        number = call.self.number();
    } else if (call.self.is_string()) {
        std::string text = strip(call.self.text(), Value(), true, true).bytes();
        if (text.starts_with('+')) text.erase(0, 1);
        int64_t value = 0;
        const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
        if (!text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size()) return Value(value);
        if (!parse_number(text, &number)) return Value(otherwise);
    } else {
        return Value(otherwise);
    }
    if (!(std::fabs(number) < 9e18)) return Value(otherwise);
    return Value(static_cast<int64_t>(number));
}

Result<Value> float_filter(const Call & call) {
    if (call.self.is_number()) return Value(call.self.number());
    double number = 0;
    if (call.self.is_string() && parse_number(strip(call.self.text(), Value(), true, true).bytes(), &number))
        return Value(number);
    return call.has(0) && call.args[0].is_number() ? Value(call.args[0].number()) : Value(0.0);
}

Result<Value> absolute(const Call & call) {
    if (!call.self.is_number()) return error(QL_INVALID_ARGUMENT, "abs needs a number, got %s", call.self.type_name());
    if (!call.self.is_integer()) return Value(std::fabs(call.self.number()));
    return call.self.integer() < 0 ? binary("-", Value(int64_t{0}), Value(call.self.integer()), call.meter)
                                   : Value(call.self.integer());
}

/// Every line but the first is moved in; empty lines stay empty unless asked.
Result<Value> indent(const Call & call) {
    QL_ASSIGN(const Text text, to_text(call.self, call.meter));
    Text space;
    if (call.has(0) && call.args[0].is_string()) {
        space = call.args[0].text();
    } else {
        QL_ASSIGN(const int64_t width, call.integer(0, 4));
        if (width < 0 || width > 1000)
            return error(QL_UNSUPPORTED, "indent: a width of %lld", static_cast<long long>(width));
        space = Text(std::string(static_cast<size_t>(width), ' '));
    }
    Text out;
    size_t at = 0;
    for (bool first = true;; first = false) {
        const size_t newline = std::min(text.bytes().find('\n', at), text.size());
        const bool moved = first ? call.args[1].truthy() : newline > at || call.args[2].truthy();
        QL_TRY(call.meter.charge(space.size() + 1));
        if (moved) out.append(space);
        out.append(text, at, std::min(newline + 1, text.size()));
        if (newline == text.size()) break;
        at = newline + 1;
    }
    return make_text(std::move(out), call.meter);
}

Result<Value> count(const Call & call) {
    if (call.self.is_undefined()) return Value(int64_t{0});
    if (call.self.is_string()) return Value(static_cast<int64_t>(utf8_count(call.self.text().view())));
    if (call.self.is_list()) return Value(static_cast<int64_t>(call.self.list().items.size()));
    if (call.self.is_dict()) return Value(static_cast<int64_t>(call.self.dict().items.size()));
    return error(QL_INVALID_ARGUMENT, "%s has no length", call.self.type_name());
}

const std::vector<Builtin> & filters() {
    static const std::vector<Builtin> table = {
        {"trim", {"chars"}, trim},
        {"upper", {}, [](const Call & call) { return cased(call, Case::upper); }},
        {"lower", {}, [](const Call & call) { return cased(call, Case::lower); }},
        {"title", {}, [](const Call & call) { return cased(call, Case::words); }},
        {"capitalize", {}, [](const Call & call) { return cased(call, Case::capitalize); }},
        {"default", {"default_value", "boolean"}, default_filter},
        {"d", {"default_value", "boolean"}, default_filter},
        {"string", {}, string},
        {"safe", {}, string},
        {"replace", {"old", "new", "count"}, replace_filter},
        {"tojson", {"ensure_ascii", "indent", "separators", "sort_keys"}, tojson},
        {"int", {"default", "base"}, int_filter},
        {"float", {"default"}, float_filter},
        {"abs", {}, absolute},
        {"indent", {"width", "first", "blank"}, indent},
        {"length", {}, count},
        {"count", {}, count},
    };
    return table;
}

}  // namespace

Result<Value> apply_filter(Call call) {
    const auto & table = has_builtin(filters(), call.name) ? filters() : filters_of_lists();
    return run_builtin(table, "filter", std::move(call));
}

}  // namespace ql::jinja
