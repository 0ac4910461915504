// Operators with Python's meaning.
#include "models/text/jinja/ops.hpp"

#include <algorithm>
#include <cmath>

#include "models/text/jinja/print.hpp"
#include "models/text/jinja/search.hpp"

namespace ql::jinja {

namespace {

Status mismatch(std::string_view op, const Value & a, const Value & b) {
    for (const Value * value : {&a, &b})
        if (value->is_undefined())
            return error(QL_INVALID_ARGUMENT, "'%s' is undefined", value->undefined_name().c_str());
    return error(QL_INVALID_ARGUMENT, "'%s' does not go with %s and %s", std::string(op).c_str(), a.type_name(),
                 b.type_name());
}

Status too_large() {
    return error(QL_INVALID_ARGUMENT, "an integer grew too large");
}

Result<Value> power(int64_t a, int64_t b) {
    if (b < 0 && a == 0) return error(QL_INVALID_ARGUMENT, "division by zero");
    if (b < 0) return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
    if (a == 0 || a == 1) return Value(b == 0 ? int64_t{1} : a);
    if (a == -1) return Value(b % 2 == 0 ? int64_t{1} : a);
    int64_t out = 1;
    if (b > 64) return too_large();
    for (; b > 0; --b)
        if (__builtin_mul_overflow(out, a, &out)) return too_large();
    return Value(out);
}

Result<Value> integer_op(std::string_view op, int64_t a, int64_t b) {
    int64_t out = 0;
    if (op == "+") return __builtin_add_overflow(a, b, &out) ? Result<Value>(too_large()) : Value(out);
    if (op == "-") return __builtin_sub_overflow(a, b, &out) ? Result<Value>(too_large()) : Value(out);
    if (op == "*") return __builtin_mul_overflow(a, b, &out) ? Result<Value>(too_large()) : Value(out);
    if (op == "**") return power(a, b);
    if (b == 0) return error(QL_INVALID_ARGUMENT, "division by zero");
    if (op == "/") return Value(static_cast<double>(a) / static_cast<double>(b));
    if (b == -1) return op == "//" ? integer_op("-", 0, a) : Value(int64_t{0});
    const int64_t quotient = a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);  // towards minus infinity
    return op == "//" ? Value(quotient) : Value(a - quotient * b);
}

Result<Value> float_op(std::string_view op, double a, double b) {
    if (op == "+") return Value(a + b);
    if (op == "-") return Value(a - b);
    if (op == "*") return Value(a * b);
    if (op == "**") return Value(std::pow(a, b));
    if (b == 0) return error(QL_INVALID_ARGUMENT, "division by zero");
    if (op == "/") return Value(a / b);
    return op == "//" ? Value(std::floor(a / b)) : Value(a - b * std::floor(a / b));
}

Result<Value> repeat_text(const Text & text, size_t times, Meter & meter) {
    QL_TRY(meter.charge(sizeof(Text)));
    Text out;
    if (text.empty()) return Value(std::move(out));
    QL_TRY(meter.charge(times, text.size()));
    QL_TRY(meter.charge(times, text.runs().size() * sizeof(Run)));
    QL_TRY(meter.step(times / 16));
    for (size_t i = 0; i < times; ++i) out.append(text);
    if (text.is_safe()) out.mark_safe();
    return Value(std::move(out));
}

Result<Value> repeat_list(const List & list, size_t times, Meter & meter) {
    ListMaker out(meter);
    for (size_t i = 0; i < times && !list.items.empty(); ++i)
        for (const Value & item : list.items) QL_TRY(out.add(item));
    return out.like(list);
}

Result<Value> repeat(const Value & value, int64_t times, Meter & meter) {
    const auto n = static_cast<size_t>(std::max<int64_t>(times, 0));
    return value.is_string() ? repeat_text(value.text(), n, meter) : repeat_list(value.list(), n, meter);
}

Result<Value> concatenation(const Text & a, const Text & b, Meter & meter) {
    QL_TRY(meter.charge(sizeof(Text)));
    Text out;
    QL_TRY(append(out, a, meter));
    QL_TRY(append(out, b, meter));
    return Value(std::move(out));
}

/// a + b: one that is safe escapes the other, and the sum is safe.
Result<Value> sum_of(const TextPtr & a, const TextPtr & b, Meter & meter) {
    if (!a->is_safe() && !b->is_safe()) return concatenation(*a, *b, meter);
    QL_ASSIGN(const TextPtr left, escape(a, meter));
    QL_ASSIGN(const TextPtr right, escape(b, meter));
    QL_TRY(meter.charge(sizeof(Text)));
    Text out;
    QL_TRY(append(out, *left, meter));
    QL_TRY(append(out, *right, meter));
    out.mark_safe();
    return Value(std::move(out));
}

Result<Value> concatenation(const List & a, const List & b, Meter & meter) {
    ListMaker out(meter);
    for (const List * list : {&a, &b})
        for (const Value & item : list->items) QL_TRY(out.add(item));
    return out.like(a);
}

}  // namespace

Result<Value> binary(std::string_view op, const Value & a, const Value & b, Meter & meter) {
    if (op == "~") {
        QL_ASSIGN(const TextPtr left, to_text(a, meter));
        QL_ASSIGN(const TextPtr right, to_text(b, meter));
        return concatenation(*left, *right, meter);
    }
    if (a.is_integer() && b.is_integer()) return integer_op(op, a.integer(), b.integer());
    if (a.is_number() && b.is_number()) return float_op(op, a.number(), b.number());
    if (op == "+" && a.is_string() && b.is_string()) return sum_of(a.text_ptr(), b.text_ptr(), meter);
    if (op == "+" && a.is_list() && b.is_list() && a.list().is_tuple == b.list().is_tuple)
        return concatenation(a.list(), b.list(), meter);
    if (op == "*" && b.is_integer() && (a.is_string() || a.is_list())) return repeat(a, b.integer(), meter);
    if (op == "*" && a.is_integer() && (b.is_string() || b.is_list())) return repeat(b, a.integer(), meter);
    if (op == "%" && a.is_string()) return error(QL_UNSUPPORTED, "formatting a string with '%%' is not supported");
    return mismatch(op, a, b);
}

Result<bool> less(const Value & a, const Value & b, Meter & meter) {
    QL_TRY(meter.step());
    QL_TRY(meter.check_stack());
    if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
    if (a.is_number() && b.is_number()) return a.number() < b.number();
    if (a.is_string() && b.is_string()) {
        QL_TRY(meter.scan(std::min(a.text().size(), b.text().size())));
        return a.text().bytes() < b.text().bytes();
    }
    if (a.is_list() && b.is_list() && a.list().is_tuple == b.list().is_tuple) {
        const auto &x = a.list().items, &y = b.list().items;
        for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
            QL_ASSIGN(const bool same, equal(x[i], y[i], meter));
            if (!same) return less(x[i], y[i], meter);
        }
        return x.size() < y.size();
    }
    return mismatch("<", a, b);
}

Result<bool> compare(std::string_view op, const Value & a, const Value & b, Meter & meter) {
    if (op == "==" || op == "!=") {
        QL_ASSIGN(const bool same, equal(a, b, meter));
        return same == (op == "==");
    }
    if (op == "in" || op == "not in") {
        QL_ASSIGN(const bool inside, contains(b, a, meter));
        return inside == (op == "in");
    }
    if (op == "<" || op == ">=") {
        if (op == ">=" && a.is_number() && b.is_number()) return a.number() >= b.number();  // NaN
        QL_ASSIGN(const bool smaller, less(a, b, meter));
        return smaller == (op == "<");
    }
    if (op == "<=" && a.is_number() && b.is_number()) return a.number() <= b.number();
    QL_ASSIGN(const bool larger, less(b, a, meter));
    return larger == (op == ">");
}

Result<bool> contains(const Value & container, const Value & item, Meter & meter) {
    QL_TRY(meter.step());
    if (container.is_string()) {
        if (!item.is_string()) return mismatch("in", item, container);
        if (item.text().empty()) return true;
        QL_ASSIGN(Search search, Search::make(container.text().view(), item.text().view(), meter));
        return search.next() != std::string_view::npos;
    }
    if (container.is_dict()) {
        if (item.is_list() || item.is_dict())
            return error(QL_INVALID_ARGUMENT, "%s is no key of a dict", item.type_name());
        QL_ASSIGN(const Value * const found, find_key(container.dict(), item, meter));
        return found != nullptr;
    }
    if (container.is_undefined()) return false;
    if (!container.is_list()) return mismatch("in", item, container);
    for (const Value & other : container.list().items) {
        QL_ASSIGN(const bool same, equal(item, other, meter));
        if (same) return true;
    }
    return false;
}

}  // namespace ql::jinja
