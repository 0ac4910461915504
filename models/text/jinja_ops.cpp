// Operators, attributes, items and slices, with Python's meaning.
#include "models/text/jinja_ops.hpp"

#include <algorithm>
#include <cmath>

namespace ql::jinja {

namespace {

Status mismatch(const std::string & op, const Value & a, const Value & b) {
    for (const Value * value : {&a, &b})
        if (value->is_undefined())
            return error(QL_INVALID_ARGUMENT, "'%s' is undefined", value->undefined_name().c_str());
    return error(QL_INVALID_ARGUMENT, "'%s' does not go with %s and %s", op.c_str(), a.type_name(), b.type_name());
}

Status too_large() {
    return error(QL_INVALID_ARGUMENT, "an integer grew too large");
}

Result<Value> integer_op(const std::string & op, int64_t a, int64_t b) {
    int64_t out = 0;
    if (op == "+") return __builtin_add_overflow(a, b, &out) ? Result<Value>(too_large()) : Value(out);
    if (op == "-") return __builtin_sub_overflow(a, b, &out) ? Result<Value>(too_large()) : Value(out);
    if (op == "*") return __builtin_mul_overflow(a, b, &out) ? Result<Value>(too_large()) : Value(out);
    if (op == "**") {
        if (b < 0) return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
        out = 1;
        if (a == 0 || a == 1) return Value(b == 0 ? int64_t{1} : a);
        if (b > 64) return too_large();
        for (; b > 0; --b)
            if (__builtin_mul_overflow(out, a, &out)) return too_large();
        return Value(out);
    }
    if (b == 0) return error(QL_INVALID_ARGUMENT, "division by zero");
    if (op == "/") return Value(static_cast<double>(a) / static_cast<double>(b));
    if (b == -1) return op == "//" ? integer_op("-", 0, a) : Value(int64_t{0});
    const int64_t quotient = a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);  // towards minus infinity
    return op == "//" ? Value(quotient) : Value(a - quotient * b);
}

Result<Value> float_op(const std::string & op, double a, double b) {
    if (op == "+") return Value(a + b);
    if (op == "-") return Value(a - b);
    if (op == "*") return Value(a * b);
    if (op == "**") return Value(std::pow(a, b));
    if (b == 0) return error(QL_INVALID_ARGUMENT, "division by zero");
    if (op == "/") return Value(a / b);
    return op == "//" ? Value(std::floor(a / b)) : Value(a - b * std::floor(a / b));
}

Result<Value> repeat(const Value & value, int64_t times, Meter & meter) {
    times = std::max<int64_t>(times, 0);
    const bool is_text = value.is_string();
    const size_t size = is_text ? value.text().size() : value.list().items.size() * sizeof(Value);
    if (size > 0 && static_cast<size_t>(times) > static_cast<size_t>(meter.bytes_left) / size)
        return meter.charge(static_cast<size_t>(meter.bytes_left) + 1);
    if (size == 0) times = std::min<int64_t>(times, 1);
    if (is_text) {
        Text out;
        for (int64_t i = 0; i < times; ++i) out.append(value.text());
        return make_text(std::move(out), meter);
    }
    std::vector<Value> items;
    for (int64_t i = 0; i < times; ++i) items.insert(items.end(), value.list().items.begin(), value.list().items.end());
    return make_list(std::move(items), meter, value.list().is_tuple);
}

}  // namespace

Result<Value> make_text(Text text, Meter & meter) {
    QL_TRY(meter.charge(text.size() + sizeof(Text)));
    return Value(std::move(text));
}

Result<Value> make_list(std::vector<Value> items, Meter & meter, bool is_tuple) {
    QL_TRY(meter.charge((items.size() + 1) * sizeof(Value)));
    Value list = Value::list(std::move(items), is_tuple);
    if (list.depth() > kMaxNesting) return error(QL_UNSUPPORTED, "lists are nested too deeply");
    return list;
}

Result<Value> binary(const std::string & op, const Value & a, const Value & b, Meter & meter) {
    if (op == "~") {
        QL_ASSIGN(Text left, to_text(a, meter));
        QL_ASSIGN(const Text right, to_text(b, meter));
        left.append(right);
        return make_text(std::move(left), meter);
    }
    if (a.is_integer() && b.is_integer()) return integer_op(op, a.integer(), b.integer());
    if (a.is_number() && b.is_number()) return float_op(op, a.number(), b.number());
    if (op == "+" && a.is_string() && b.is_string()) {
        Text sum = a.text();
        sum.append(b.text());
        return make_text(std::move(sum), meter);
    }
    if (op == "+" && a.is_list() && b.is_list() && a.list().is_tuple == b.list().is_tuple) {
        std::vector<Value> items = a.list().items;
        items.insert(items.end(), b.list().items.begin(), b.list().items.end());
        return make_list(std::move(items), meter, a.list().is_tuple);
    }
    if (op == "*" && b.is_integer() && (a.is_string() || a.is_list())) return repeat(a, b.integer(), meter);
    if (op == "*" && a.is_integer() && (b.is_string() || b.is_list())) return repeat(b, a.integer(), meter);
    if (op == "%" && a.is_string()) return error(QL_UNSUPPORTED, "formatting a string with '%%' is not supported");
    return mismatch(op, a, b);
}

Result<bool> less(const Value & a, const Value & b, Meter & meter) {
    QL_TRY(meter.step());
    if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
    if (a.is_number() && b.is_number()) return a.number() < b.number();
    if (a.is_string() && b.is_string()) return a.text().bytes() < b.text().bytes();
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

Result<bool> compare(const std::string & op, const Value & a, const Value & b, Meter & meter) {
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
    if (container.is_string()) {
        QL_TRY(meter.step(static_cast<int64_t>(container.text().size() / 256)));
        if (item.is_string()) return container.text().bytes().find(item.text().bytes()) != std::string::npos;
        return mismatch("in", item, container);
    }
    if (container.is_dict()) return item.is_string() && container.dict().find(item.text().view());
    if (!container.is_list() && !container.is_undefined()) return mismatch("in", item, container);
    if (container.is_undefined()) return false;
    for (const Value & other : container.list().items) {
        QL_ASSIGN(const bool same, equal(item, other, meter));
        if (same) return true;
    }
    return false;
}

namespace {

Value loop_attribute(const Loop & loop, const std::string & name) {
    const auto & items = loop.items->items;
    const auto number = [](size_t n) { return Value(static_cast<int64_t>(n)); };
    if (name == "index") return number(loop.index + 1);
    if (name == "index0") return number(loop.index);
    if (name == "revindex") return number(items.size() - loop.index);
    if (name == "revindex0") return number(items.size() - loop.index - 1);
    if (name == "first") return Value(loop.index == 0);
    if (name == "last") return Value(loop.index + 1 == items.size());
    if (name == "length") return number(items.size());
    if (name == "previtem" && loop.index > 0) return items[loop.index - 1];
    if (name == "nextitem" && loop.index + 1 < items.size()) return items[loop.index + 1];
    if (name == "depth") return Value(int64_t{loop.depth});
    if (name == "depth0") return Value(int64_t{loop.depth} - 1);
    return Value(Undefined{"loop." + name});
}

Value method(const Value & object, const std::string & name) {
    return Value(std::make_shared<const Callable>(Callable{Callable::Kind::method, name, nullptr, object}));
}

}  // namespace

Result<Value> get_attribute(const Value & object, const std::string & name) {
    if (object.is_undefined()) return error(QL_INVALID_ARGUMENT, "'%s' is undefined", object.undefined_name().c_str());
    if (has_method(object, name)) return method(object, name);
    if (object.is_loop()) return loop_attribute(object.loop(), name);
    const Value * found = nullptr;
    if (object.is_dict()) found = object.dict().find(name);
    if (object.is_namespace()) found = object.ns().attributes.find(name);
    return found ? *found : Value(Undefined{name});
}

Result<Value> get_item(const Value & object, const Value & key, Meter & meter) {
    if (object.is_undefined()) return error(QL_INVALID_ARGUMENT, "'%s' is undefined", object.undefined_name().c_str());
    if (key.is_string()) {
        if (object.is_dict())
            if (const Value * found = object.dict().find(key.text().view())) return *found;
        return get_attribute(object, key.text().bytes());
    }
    if (!key.is_integer() || (!object.is_list() && !object.is_string())) return Value(Undefined{"item"});
    int64_t at = key.integer();
    if (object.is_list()) {
        const auto & items = object.list().items;
        if (at < 0) at += static_cast<int64_t>(items.size());
        if (at < 0 || at >= static_cast<int64_t>(items.size()))
            return Value(Undefined{"item " + std::to_string(key.integer())});
        return items[static_cast<size_t>(at)];
    }
    const std::vector<size_t> offsets = utf8_offsets(object.text().view());
    const auto count = static_cast<int64_t>(offsets.size()) - 1;
    QL_TRY(meter.step(count / 16));
    if (at < 0) at += count;
    if (at < 0 || at >= count) return Value(Undefined{"item " + std::to_string(key.integer())});
    return Value(object.text().sub(offsets[static_cast<size_t>(at)], offsets[static_cast<size_t>(at) + 1]));
}

Result<Value> get_slice(const Value & object, const Value & begin, const Value & end, const Value & step_value,
                        Meter & meter) {
    if (object.is_undefined()) return error(QL_INVALID_ARGUMENT, "'%s' is undefined", object.undefined_name().c_str());
    if (!object.is_list() && !object.is_string())
        return error(QL_INVALID_ARGUMENT, "%s cannot be sliced", object.type_name());
    for (const Value * part : {&begin, &end, &step_value})
        if (!part->is_integer() && !part->is_none())
            return error(QL_INVALID_ARGUMENT, "a slice needs integers, got %s", part->type_name());
    const std::vector<size_t> offsets = object.is_string() ? utf8_offsets(object.text().view()) : std::vector<size_t>();
    const auto count = static_cast<int64_t>(object.is_string() ? offsets.size() - 1 : object.list().items.size());
    QL_TRY(meter.step(count / 16));
    const int64_t step = step_value.is_none() ? 1 : step_value.integer();
    if (step == 0) return error(QL_INVALID_ARGUMENT, "a slice's step is 0");
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? count : count - 1;
    const auto bound = [&](const Value & value, int64_t otherwise) {
        if (value.is_none()) return otherwise;
        const int64_t at = value.integer() < 0 ? value.integer() + count : value.integer();
        return std::clamp(at, low, high);
    };
    const int64_t first = bound(begin, step > 0 ? low : high), last = bound(end, step > 0 ? high : low);
    if (object.is_string() && step == 1)
        return make_text(
            object.text().sub(offsets[static_cast<size_t>(first)], offsets[static_cast<size_t>(std::max(first, last))]),
            meter);
    Text text;
    std::vector<Value> items;
    const int64_t stride = std::clamp(step, -count - 1, count + 1);
    for (int64_t i = first; stride > 0 ? i < last : i > last; i += stride) {
        const auto at = static_cast<size_t>(i);
        if (object.is_string()) {
            text.append(object.text(), offsets[at], offsets[at + 1]);
        } else {
            items.push_back(object.list().items[at]);
        }
    }
    if (object.is_string()) return make_text(std::move(text), meter);
    return make_list(std::move(items), meter, object.list().is_tuple);
}

Result<std::shared_ptr<const List>> iterate(const Value & value, Meter & meter) {
    if (value.is_list()) return value.list_ptr();
    std::vector<Value> items;
    if (value.is_string()) {
        const std::vector<size_t> offsets = utf8_offsets(value.text().view());
        QL_TRY(meter.charge(offsets.size() * (sizeof(Value) + sizeof(Text))));
        for (size_t i = 0; i + 1 < offsets.size(); ++i)
            items.emplace_back(value.text().sub(offsets[i], offsets[i + 1]));
    } else if (value.is_dict()) {
        for (const auto & item : value.dict().items) items.emplace_back(item.first);
    } else if (!value.is_undefined()) {
        return error(QL_INVALID_ARGUMENT, "%s cannot be iterated over", value.type_name());
    }
    QL_ASSIGN(const Value list, make_list(std::move(items), meter));
    return list.list_ptr();
}

}  // namespace ql::jinja
