// Values: truth, equality, and their text (Python's str, repr and json.dumps).
#include "models/text/jinja_value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ql::jinja {

Status Meter::step(int64_t n) {
    steps_left -= n;
    if (steps_left < 0) return error(QL_UNSUPPORTED, "the template runs too long");
    return {};
}

Status Meter::charge(size_t bytes) {
    if (bytes > static_cast<size_t>(bytes_left)) return error(QL_NO_MEMORY, "the template makes too much text");
    bytes_left -= static_cast<int64_t>(bytes);
    return {};
}

const Value * Dict::find(std::string_view key) const {
    for (const auto & item : items)
        if (item.first == key) return &item.second;
    return nullptr;
}

void Dict::set(std::string key, Value value) {
    depth = std::max(depth, value.depth() + 1);
    for (auto & item : items) {
        if (item.first != key) continue;
        item.second = std::move(value);
        return;
    }
    items.emplace_back(std::move(key), std::move(value));
}

Value Value::list(std::vector<Value> items, bool is_tuple) {
    auto list = std::make_shared<List>();
    for (const Value & item : items) list->depth = std::max(list->depth, item.depth() + 1);
    list->items = std::move(items);
    list->is_tuple = is_tuple;
    return Value(std::shared_ptr<const List>(std::move(list)));
}

Value Value::dict(Dict dict) {
    return Value(std::shared_ptr<const Dict>(std::make_shared<Dict>(std::move(dict))));
}

int Value::depth() const {
    if (is_list()) return list().depth;
    if (is_dict()) return dict().depth;
    if (is_callable()) return callable().self.depth() + 1;
    if (is_loop()) return loop().items->depth + 1;
    return 0;
}

bool Value::truthy() const {
    if (is_undefined() || is_none()) return false;
    if (is_number()) return number() != 0;
    if (is_string()) return !text().empty();
    if (is_list()) return !list().items.empty();
    if (is_dict()) return !dict().items.empty();
    return true;
}

const char * Value::type_name() const {
    static const char * const names[] = {"undefined", "none",   "a boolean",   "an integer", "a float",   "a string",
                                         "a list",    "a dict", "a namespace", "a loop",     "a function"};
    return names[storage_.index()];
}

Result<bool> equal(const Value & a, const Value & b, Meter & meter) {
    QL_TRY(meter.step());
    if (a.is_number() && b.is_number()) {
        if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
        return a.number() == b.number();
    }
    if (a.is_undefined() || a.is_none()) return a.is_undefined() ? b.is_undefined() : b.is_none();
    if (a.is_string()) QL_TRY(meter.step(static_cast<int64_t>(a.text().size() / 1024)));
    if (a.is_string() && b.is_string()) return a.text().bytes() == b.text().bytes();
    if (a.is_list() && b.is_list()) {
        const List &x = a.list(), &y = b.list();
        if (x.items.size() != y.items.size() || x.is_tuple != y.is_tuple) return false;
        for (size_t i = 0; i < x.items.size(); ++i) {
            QL_ASSIGN(const bool same, equal(x.items[i], y.items[i], meter));
            if (!same) return false;
        }
        return true;
    }
    if (a.is_dict() && b.is_dict()) {
        if (a.dict().items.size() != b.dict().items.size()) return false;
        for (const auto & [key, value] : a.dict().items) {
            const Value * other = b.dict().find(key);
            if (!other) return false;
            QL_ASSIGN(const bool same, equal(value, *other, meter));
            if (!same) return false;
        }
        return true;
    }
    if (a.is_namespace() && b.is_namespace()) return &a.ns() == &b.ns();
    return false;
}

std::string float_repr(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    char buffer[64];
    const double size = std::fabs(value);
    const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
    const auto form = plain ? std::chars_format::fixed : std::chars_format::scientific;
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, form).ptr;
    std::string text(buffer, end);
    if (plain && text.find('.') == std::string::npos) text += ".0";
    return text;
}

namespace {

void append_escape(Text & out, uint32_t code, const Text & origin, size_t at) {
    if (code >= 0x10000) {
        append_escape(out, 0xD800 + ((code - 0x10000) >> 10), origin, at);
        code = 0xDC00 + ((code - 0x10000) & 0x3FF);
    }
    out.append_as(format("\\u%04x", code), origin, at);
}

void append_json_string(Text & out, const Text & text, bool ensure_ascii) {
    out.append("\"");
    const std::string_view bytes = text.view();
    size_t length = 1;
    for (size_t i = 0; i < bytes.size(); i += length) {
        const uint32_t c = utf8_decode(bytes, i, &length);
        static constexpr std::string_view special = "\"\\\n\r\t\b\f", letters = "\"\\nrtbf";
        const size_t which = c < 0x80 ? special.find(static_cast<char>(c)) : std::string_view::npos;
        if (which != std::string_view::npos) {
            out.append_as(std::string{'\\', letters[which]}, text, i);
        } else if (c < 0x20 || (ensure_ascii && c >= 0x7F)) {
            append_escape(out, c, text, i);
        } else {
            out.append(text, i, i + length);
        }
    }
    out.append("\"");
}

/// Python's repr of a string: single quotes, unless it holds only single ones.
void append_repr_string(Text & out, const Text & text) {
    const std::string_view bytes = text.view();
    const bool single = bytes.find('\'') == std::string_view::npos || bytes.find('"') != std::string_view::npos;
    const char quote = single ? '\'' : '"';
    out.append(std::string(1, quote));
    size_t length = 1;
    for (size_t i = 0; i < bytes.size(); i += length) {
        const uint32_t c = utf8_decode(bytes, i, &length);
        if (c == static_cast<uint32_t>(quote) || c == '\\') {
            out.append_as(std::string{'\\', static_cast<char>(c)}, text, i);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            out.append_as(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", text, i);
        } else if (c < 0x20 || c == 0x7F) {
            out.append_as(format("\\x%02x", c), text, i);
        } else {
            out.append(text, i, i + length);
        }
    }
    out.append(std::string(1, quote));
}

Status append_repr(Text & out, const Value & value, Meter & meter);

Status append_repr_items(Text & out, const Value & value, Meter & meter) {
    bool first = true;
    const auto comma = [&] {
        if (!first) out.append(", ");
        first = false;
    };
    if (value.is_dict()) {
        out.append("{");
        for (const auto & [key, item] : value.dict().items) {
            comma();
            append_repr_string(out, Text(key));
            out.append(": ");
            QL_TRY(append_repr(out, item, meter));
        }
        out.append("}");
        return {};
    }
    const List & list = value.list();
    out.append(list.is_tuple ? "(" : "[");
    for (const Value & item : list.items) {
        comma();
        QL_TRY(append_repr(out, item, meter));
    }
    if (list.is_tuple && list.items.size() == 1) out.append(",");
    out.append(list.is_tuple ? ")" : "]");
    return {};
}

Status append_repr(Text & out, const Value & value, Meter & meter) {
    QL_TRY(meter.step());
    const size_t before = out.size();
    if (value.is_undefined()) {
        out.append("Undefined");
    } else if (value.is_none()) {
        out.append("None");
    } else if (value.is_bool()) {
        out.append(value.truthy() ? "True" : "False");
    } else if (value.is_integer()) {
        out.append(std::to_string(value.integer()));
    } else if (value.is_number()) {
        out.append(float_repr(value.number()));
    } else if (value.is_string()) {
        append_repr_string(out, value.text());
    } else if (value.is_list() || value.is_dict()) {
        return append_repr_items(out, value, meter);
    } else {
        return error(QL_UNSUPPORTED, "%s cannot be printed", value.type_name());
    }
    return meter.charge(out.size() - before);
}

void new_line(Text & out, const JsonStyle & style, int level) {
    if (style.indent < 0) return;
    out.append("\n" + std::string(static_cast<size_t>(style.indent) * static_cast<size_t>(level), ' '));
}

Status append_json(Text & out, const Value & value, const JsonStyle & style, int level, Meter & meter);

Status append_json_items(Text & out, const Value & value, const JsonStyle & style, int level, Meter & meter) {
    const bool is_dict = value.is_dict();
    const size_t count = is_dict ? value.dict().items.size() : value.list().items.size();
    out.append(is_dict ? "{" : "[");
    std::vector<size_t> order(count);
    for (size_t i = 0; i < count; ++i) order[i] = i;
    if (is_dict && style.sort_keys) {
        const auto & items = value.dict().items;
        std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].first < items[b].first; });
    }
    for (size_t n = 0; n < count; ++n) {
        if (n > 0) out.append(style.item_separator);
        new_line(out, style, level + 1);
        if (is_dict) {
            append_json_string(out, Text(value.dict().items[order[n]].first), style.ensure_ascii);
            out.append(style.key_separator);
        }
        const Value & item = is_dict ? value.dict().items[order[n]].second : value.list().items[n];
        QL_TRY(append_json(out, item, style, level + 1, meter));
    }
    if (count > 0) new_line(out, style, level);
    out.append(is_dict ? "}" : "]");
    return {};
}

Status append_json(Text & out, const Value & value, const JsonStyle & style, int level, Meter & meter) {
    QL_TRY(meter.step());
    const size_t before = out.size();
    if (value.is_none()) {
        out.append("null");
    } else if (value.is_bool()) {
        out.append(value.truthy() ? "true" : "false");
    } else if (value.is_integer()) {
        out.append(std::to_string(value.integer()));
    } else if (value.is_number()) {
        const double number = value.number();
        out.append(std::isnan(number)   ? "NaN"
                   : std::isinf(number) ? (number < 0 ? "-Infinity" : "Infinity")
                                        : float_repr(number));
    } else if (value.is_string()) {
        append_json_string(out, value.text(), style.ensure_ascii);
    } else if (value.is_list() || value.is_dict()) {
        const size_t count = value.is_list() ? value.list().items.size() : value.dict().items.size();
        QL_TRY(meter.charge(static_cast<size_t>(std::max(style.indent, 0)) * static_cast<size_t>(level + 1) *
                            (count + 1)));
        return append_json_items(out, value, style, level, meter);
    } else {
        return error(QL_INVALID_ARGUMENT, "tojson: %s has no JSON form", value.type_name());
    }
    return meter.charge(out.size() - before);
}

}  // namespace

Result<Text> to_text(const Value & value, Meter & meter) {
    if (value.is_undefined()) return Text();
    if (value.is_string()) return value.text();
    Text out;
    QL_TRY(append_repr(out, value, meter));
    return out;
}

Result<Text> to_json(const Value & value, const JsonStyle & style, Meter & meter) {
    Text out;
    QL_TRY(append_json(out, value, style, 0, meter));
    return out;
}

}  // namespace ql::jinja
