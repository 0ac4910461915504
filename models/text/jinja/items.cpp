// Attributes, items, slices and iteration: what stands after a dot, in brackets, and after `in` in a loop.
#include <algorithm>

#include "models/text/jinja/ops.hpp"

namespace ql::jinja {

namespace {

Value loop_attribute(const Loop & loop, std::string_view name) {
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
    return Value(Undefined::of("loop." + std::string(name.substr(0, 100))));
}

Status undefined(const Value & object) {
    return error(QL_INVALID_ARGUMENT, "'%s' is undefined", object.undefined_name().c_str());
}

Value absent_item(int64_t at) {
    return Value(Undefined{"item " + std::to_string(at)});
}

Result<Value> item_of_list(const List & list, int64_t at) {
    const auto n = static_cast<int64_t>(list.items.size());
    const int64_t i = at < 0 ? at + n : at;
    return i < 0 || i >= n ? absent_item(at) : list.items[static_cast<size_t>(i)];
}

Result<Value> item_of_text(const Text & text, int64_t at, Meter & meter) {
    QL_TRY(meter.scan(2 * text.size()));
    int64_t i = at;
    if (i < 0) i += static_cast<int64_t>(utf8_count(text.view()));
    if (i < 0) return absent_item(at);
    const size_t begin = utf8_at(text.view(), static_cast<size_t>(i));
    if (begin == text.size()) return absent_item(at);
    return make_part(text, begin, utf8_at(text.view(), 1, begin), meter);
}

/// A slice's bounds as Python computes them: items first, first + step ... before `last`.
struct Range {
    int64_t first = 0, last = 0, step = 1;
};

Range range_of(const Value & begin, const Value & end, int64_t step, int64_t count) {
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? count : count - 1;
    const auto bound = [&](const Value & value, int64_t otherwise) {
        if (value.is_none()) return otherwise;
        const int64_t at = value.integer() < 0 ? value.integer() + count : value.integer();
        return std::clamp(at, low, high);
    };
    return {bound(begin, step > 0 ? low : high), bound(end, step > 0 ? high : low),
            std::clamp(step, -count - 1, count + 1)};
}

Result<Value> slice_of_list(const List & list, const Range & range, Meter & meter) {
    ListMaker out(meter);
    for (int64_t i = range.first; range.step > 0 ? i < range.last : i > range.last; i += range.step)
        QL_TRY(out.add(list.items[static_cast<size_t>(i)]));
    return out.like(list);
}

Result<Value> slice_of_text(const Text & text, const Range & range, Meter & meter) {
    const std::string_view bytes = text.view();
    if (range.step == 1) {
        const size_t begin = utf8_at(bytes, static_cast<size_t>(range.first));
        const auto length = static_cast<size_t>(std::max<int64_t>(range.last - range.first, 0));
        return make_part(text, begin, utf8_at(bytes, length, begin), meter);
    }
    QL_TRY(meter.charge(bytes.size() + 1, sizeof(size_t)));
    std::vector<size_t> offsets;
    for (size_t at = 0; at < bytes.size(); at += utf8_length(bytes, at)) offsets.push_back(at);
    offsets.push_back(bytes.size());
    QL_TRY(meter.charge(sizeof(Text)));
    Text out;
    for (int64_t i = range.first; range.step > 0 ? i < range.last : i > range.last; i += range.step) {
        QL_TRY(meter.step());
        QL_TRY(append(out, text, offsets[static_cast<size_t>(i)], offsets[static_cast<size_t>(i) + 1], meter));
    }
    if (text.is_safe()) out.mark_safe();
    return Value(std::move(out));
}

Result<Value> characters(const Text & text, Meter & meter) {
    ListMaker out(meter);
    for (size_t at = 0; at < text.size();) {
        const size_t end = at + utf8_length(text.view(), at);
        QL_ASSIGN(Value character, make_part(text, at, end, meter));
        QL_TRY(out.add(std::move(character)));
        at = end;
    }
    return out.list();
}

Result<Value> keys(const Dict & dict, Meter & meter) {
    ListMaker out(meter);
    for (const auto & item : dict.items()) {
        QL_ASSIGN(Value key, make_key(item.first, meter));
        QL_TRY(out.add(std::move(key)));
    }
    return out.list();
}

}  // namespace

Result<Value> get_attribute(const Value & object, std::string_view name) {
    if (object.is_undefined()) return undefined(object);
    if (const Builtin * method = find_method(object, name))
        return Value(std::make_shared<const Callable>(Callable{Callable::Kind::method, method->name, nullptr, object}));
    if (object.is_loop()) return loop_attribute(object.loop(), name);
    const Value * found = nullptr;
    if (object.is_dict()) found = object.dict().find(name);
    if (object.is_namespace()) found = object.ns().attributes.find(name);
    return found ? *found : Value(Undefined::of(name));
}

Result<Value> get_item(const Value & object, const Value & key, Meter & meter) {
    if (object.is_undefined()) return undefined(object);
    if (object.is_dict()) {
        QL_ASSIGN(const Value * const found, find_key(object.dict(), key, meter));
        if (found) return *found;
    }
    if (key.is_string()) {
        QL_TRY(meter.scan(key.text().size()));
        return get_attribute(object, key.text().view());
    }
    if (key.is_integer() && object.is_list()) return item_of_list(object.list(), key.integer());
    if (key.is_integer() && object.is_string()) return item_of_text(object.text(), key.integer(), meter);
    return Value(Undefined{"item"});
}

Result<Value> get_slice(const Value & object, const Value & begin, const Value & end, const Value & step_value,
                        Meter & meter) {
    if (object.is_undefined()) return undefined(object);
    if (!object.is_list() && !object.is_string())
        return error(QL_INVALID_ARGUMENT, "%s cannot be sliced", object.type_name());
    for (const Value * part : {&begin, &end, &step_value})
        if (!part->is_integer() && !part->is_none())
            return error(QL_INVALID_ARGUMENT, "a slice needs integers, got %s", part->type_name());
    const int64_t step = step_value.is_none() ? 1 : step_value.integer();
    if (step == 0) return error(QL_INVALID_ARGUMENT, "a slice's step is 0");
    if (object.is_list()) {
        const List & list = object.list();
        return slice_of_list(list, range_of(begin, end, step, static_cast<int64_t>(list.items.size())), meter);
    }
    QL_TRY(meter.scan(3 * object.text().size()));
    const auto count = static_cast<int64_t>(utf8_count(object.text().view()));
    return slice_of_text(object.text(), range_of(begin, end, step, count), meter);
}

Result<std::shared_ptr<const List>> iterate(const Value & value, Meter & meter) {
    if (value.is_list()) return value.list_ptr();
    if (!value.is_string() && !value.is_dict() && !value.is_undefined())
        return error(QL_INVALID_ARGUMENT, "%s cannot be iterated over", value.type_name());
    QL_ASSIGN(const Value list, value.is_string() ? characters(value.text(), meter)
                                : value.is_dict() ? keys(value.dict(), meter)
                                                  : ListMaker(meter).list());
    return list.list_ptr();
}

}  // namespace ql::jinja
