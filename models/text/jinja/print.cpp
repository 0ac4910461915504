// Values as text: Python's str, repr and json.dumps. Strings grow when they are escaped, so the most that they can grow
// to is charged first, and the rest given back.
#include "models/text/jinja/print.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "models/base/utf8.hpp"

namespace ql::jinja {

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

constexpr size_t kMostOfJson = 6;  // \u0001 for one byte
constexpr size_t kMostOfRepr = 4;  // \x01

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

/// Python's repr of a string: single quotes, unless the string holds single ones and no double ones.
void append_repr_string(Text & out, const Text & text) {
    const std::string_view bytes = text.view();
    const bool single = bytes.find('\'') == std::string_view::npos || bytes.find('"') != std::string_view::npos;
    const char quote = single ? '\'' : '"';
    out.append(std::string_view(&quote, 1));
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
    out.append(std::string_view(&quote, 1));
}

/// What the two ways of printing share: the text so far, and the charge for each piece before it is written.
class Printer {
  public:
    explicit Printer(Meter & meter) : meter_(meter) {}
    Text take() { return std::move(out_); }

  protected:
    ~Printer() = default;

    Status literal(std::string_view bytes) {
        QL_TRY(meter_.charge(bytes.size()));
        out_.append(bytes);
        return {};
    }

    template <typename Append>
    Status string(const Text & text, size_t most_of_a_byte, const Append & append) {
        QL_TRY(meter_.scan(text.size()));
        QL_TRY(meter_.charge(text.size() + 2, most_of_a_byte));
        const size_t before = out_.size();
        append(text);
        meter_.refund((text.size() + 2) * most_of_a_byte - (out_.size() - before));
        return meter_.charge(text.runs().size(), sizeof(Run));
    }

    Status enter() {
        QL_TRY(meter_.step());
        return meter_.check_stack();
    }

    Text out_;
    Meter & meter_;
};

class ReprPrinter : public Printer {
  public:
    using Printer::Printer;

    Status print(const Value & value) {
        QL_TRY(enter());
        if (value.is_undefined()) return literal("Undefined");
        if (value.is_none()) return literal("None");
        if (value.is_bool()) return literal(value.truthy() ? "True" : "False");
        if (value.is_integer()) return literal(std::to_string(value.integer()));
        if (value.is_number()) return literal(float_repr(value.number()));
        if (value.is_string()) return repr(value.text());
        if (value.is_dict()) return dict(value.dict());
        if (value.is_list()) return list(value.list());
        return error(QL_UNSUPPORTED, "%s cannot be printed", value.type_name());
    }

  private:
    Status repr(const Text & text) {
        return string(text, kMostOfRepr, [this](const Text & t) { append_repr_string(out_, t); });
    }

    Status dict(const Dict & dict) {
        QL_TRY(literal("{"));
        bool first = true;
        for (const auto & [key, item] : dict.items()) {
            if (!std::exchange(first, false)) QL_TRY(literal(", "));
            QL_TRY(is_number_key(key) ? literal(key_text(key)) : repr(Text(key)));
            QL_TRY(literal(": "));
            QL_TRY(print(item));
        }
        return literal("}");
    }

    Status list(const List & list) {
        QL_TRY(literal(list.is_tuple ? "(" : "["));
        bool first = true;
        for (const Value & item : list.items) {
            if (!std::exchange(first, false)) QL_TRY(literal(", "));
            QL_TRY(print(item));
        }
        if (list.is_tuple && list.items.size() == 1) QL_TRY(literal(","));
        return literal(list.is_tuple ? ")" : "]");
    }
};

class JsonPrinter : public Printer {
  public:
    JsonPrinter(const JsonStyle & style, Meter & meter) : Printer(meter), style_(style) {}

    Status print(const Value & value, int level) {
        QL_TRY(enter());
        if (value.is_none()) return literal("null");
        if (value.is_bool()) return literal(value.truthy() ? "true" : "false");
        if (value.is_integer()) return literal(std::to_string(value.integer()));
        if (value.is_number()) return number(value.number());
        if (value.is_string()) return quoted(value.text());
        if (value.is_dict()) return dict(value.dict(), level);
        if (value.is_list()) return list(value.list(), level);
        return error(QL_INVALID_ARGUMENT, "tojson: %s has no JSON form", value.type_name());
    }

  private:
    Status number(double number) {
        if (std::isnan(number)) return literal("NaN");
        if (std::isinf(number)) return literal(number < 0 ? "-Infinity" : "Infinity");
        return literal(float_repr(number));
    }

    Status quoted(const Text & text) {
        return string(text, kMostOfJson, [this](const Text & t) { append_json_string(out_, t, style_.ensure_ascii); });
    }

    Status new_line(int level) {
        if (style_.indent < 0) return {};
        return literal("\n" + std::string(static_cast<size_t>(style_.indent) * static_cast<size_t>(level), ' '));
    }

    Status before_item(size_t i, int level) {
        if (i > 0) QL_TRY(literal(style_.item_separator));
        return new_line(level + 1);
    }

    Status dict(const Dict & dict, int level) {
        const auto & items = dict.items();
        QL_TRY(meter_.charge(items.size(), sizeof(size_t)));
        std::vector<size_t> order(items.size());
        std::iota(order.begin(), order.end(), size_t{0});
        if (style_.sort_keys) {
            for (const auto & item : items) {
                if (is_number_key(item.first))
                    return error(QL_UNSUPPORTED, "tojson: numbers as keys are not sorted here");
                QL_TRY(meter_.scan(64 + 16 * item.first.size()));
            }
            std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return items[a].first < items[b].first; });
        }
        QL_TRY(literal("{"));
        for (size_t i = 0; i < order.size(); ++i) {
            QL_TRY(before_item(i, level));
            QL_TRY(quoted(Text(std::string(key_text(items[order[i]].first)))));
            QL_TRY(literal(style_.key_separator));
            QL_TRY(print(items[order[i]].second, level + 1));
        }
        if (!order.empty()) QL_TRY(new_line(level));
        return literal("}");
    }

    Status list(const List & list, int level) {
        QL_TRY(literal("["));
        for (size_t i = 0; i < list.items.size(); ++i) {
            QL_TRY(before_item(i, level));
            QL_TRY(print(list.items[i], level + 1));
        }
        if (!list.items.empty()) QL_TRY(new_line(level));
        return literal("]");
    }

    const JsonStyle & style_;
};

}  // namespace

Result<TextPtr> to_text(const Value & value, Meter & meter) {
    static const TextPtr empty = std::make_shared<const Text>();
    if (value.is_undefined()) return empty;
    if (value.is_string()) return value.text_ptr();
    ReprPrinter printer(meter);
    QL_TRY(printer.print(value));
    return std::make_shared<const Text>(printer.take());
}

Result<Text> to_json(const Value & value, const JsonStyle & style, Meter & meter) {
    JsonPrinter printer(style, meter);
    QL_TRY(printer.print(value, 0));
    return printer.take();
}

}  // namespace ql::jinja
