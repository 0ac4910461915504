// Filters over lists: choosing, mapping, joining, sorting.
#include <algorithm>

#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/print.hpp"

namespace ql::jinja {

namespace {

using type::kAny, type::kDict, type::kInteger, type::kNone, type::kText, type::kUndefined;

/// item.a.b, as the argument `attribute` of these filters writes it.
Result<Value> attribute_path(const Value & item, const Value & path, Meter & meter) {
    QL_TRY(meter.step());
    if (path.is_integer()) return get_item(item, path, meter);
    if (!path.is_string())
        return error(QL_INVALID_ARGUMENT, "an attribute's name must be a string, got %s", path.type_name());
    Value value = item;
    const std::string_view names = path.text().view();
    for (size_t at = 0; at <= names.size();) {
        QL_TRY(meter.step());
        const size_t dot = std::min(names.find('.', at), names.size());
        QL_ASSIGN(const Value name, make_text(names.substr(at, dot - at), meter));
        QL_ASSIGN(value, get_item(value, name, meter));
        at = dot + 1;
    }
    return value;
}

const Value * named(const Call & call, std::string_view name) {
    for (const auto & item : call.named)
        if (item.first == name) return &item.second;
    return nullptr;
}

Result<Value> join(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    TextPtr separator = std::make_shared<const Text>();
    if (call.given(0)) {
        QL_ASSIGN(separator, to_text(call.args[0], call.meter));
    }
    QL_TRY(call.meter.charge(sizeof(Text)));
    Text out;
    for (size_t i = 0; i < list->items.size(); ++i) {
        QL_TRY(call.meter.step());
        Value item = list->items[i];
        if (call.has(1)) {
            QL_ASSIGN(item, attribute_path(item, call.args[1], call.meter));
        }
        QL_ASSIGN(const TextPtr text, to_text(item, call.meter));
        if (i > 0) QL_TRY(append(out, *separator, call.meter));
        QL_TRY(append(out, *text, call.meter));
    }
    return Value(std::move(out));
}

/// map(attribute="x", default=y): what map gives for one item.
Result<Value> map_attribute(const Call & call, const Value & item, const Value & attribute) {
    QL_ASSIGN(Value value, attribute_path(item, attribute, call.meter));
    const Value * otherwise = named(call, "default");
    return value.is_undefined() && otherwise ? *otherwise : value;
}

/// map("filter", arguments...): the same.
Result<Value> map_filter(const Call & call, const Value & item) {
    if (call.args.empty() || !call.args[0].is_string())
        return error(QL_INVALID_ARGUMENT, "map needs a filter's name or attribute=");
    QL_TRY(call.meter.step(call.args.size() + call.named.size()));
    return apply_filter(
        {call.args[0].text().view(), item, {call.args.begin() + 1, call.args.end()}, call.named, call.meter, {}});
}

Result<Value> map(const Call & call) {
    ListMaker out(call.meter);
    if (!call.self.truthy()) return out.list();  // also for none, as in Jinja
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    QL_TRY(call.meter.check_stack());  // map('map', 'map', ...)
    const Value * attribute = named(call, "attribute");
    for (const Value & item : list->items) {
        QL_ASSIGN(Value value, attribute ? map_attribute(call, item, *attribute) : map_filter(call, item));
        QL_TRY(out.add(std::move(value)));
    }
    return out.list();
}

Result<bool> passes_test(const Call & call, Value value, size_t name_at) {
    if (call.args.size() <= name_at) return value.truthy();
    if (!call.args[name_at].is_string())
        return error(QL_INVALID_ARGUMENT, "%s needs a test's name, got %s", call.shown().c_str(),
                     call.args[name_at].type_name());
    QL_TRY(call.meter.step(call.args.size()));
    const auto rest = call.args.begin() + static_cast<ptrdiff_t>(name_at) + 1;
    return apply_test(
        {call.args[name_at].text().view(), std::move(value), {rest, call.args.end()}, {}, call.meter, {}});
}

/// select, reject, selectattr, rejectattr: by a test, or by truth where none is named.
Result<Value> choose(const Call & call, bool by_attribute, bool keep) {
    ListMaker out(call.meter);
    if (!call.self.truthy()) return out.list();  // also for none, as in Jinja
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    const size_t skip = by_attribute ? 1 : 0;
    if (call.args.size() < skip)
        return error(QL_INVALID_ARGUMENT, "%s needs an attribute's name", call.shown().c_str());
    for (const Value & item : list->items) {
        QL_TRY(call.meter.step());
        Value value = item;
        if (by_attribute) {
            QL_ASSIGN(value, attribute_path(item, call.args[0], call.meter));
        }
        QL_ASSIGN(const bool passes, passes_test(call, std::move(value), skip));
        if (passes == keep) QL_TRY(out.add(item));
    }
    return out.list();
}

Result<Value> to_list(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    if (!list->is_tuple) return Value(list);
    ListMaker out(call.meter);
    for (const Value & item : list->items) QL_TRY(out.add(item));
    return out.list();
}

Result<Value> first_or_last(const Call & call, bool first) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    if (list->items.empty()) return Value(Undefined{"the item of an empty list"});
    return first ? list->items.front() : list->items.back();
}

Result<Value> reverse(const Call & call) {
    if (call.self.is_string())
        return get_slice(call.self, Value(None{}), Value(None{}), Value(int64_t{-1}), call.meter);
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    ListMaker out(call.meter);
    for (auto item = list->items.rbegin(); item != list->items.rend(); ++item) QL_TRY(out.add(*item));
    return out.list();
}

Result<Value> pairs(const Dict & dict, Meter & meter) {
    ListMaker out(meter);
    for (const auto & [key, value] : dict.items()) {
        ListMaker pair(meter);
        QL_ASSIGN(Value name, make_key(key, meter));
        QL_TRY(pair.add(std::move(name)));
        QL_TRY(pair.add(value));
        QL_ASSIGN(Value tuple, pair.tuple());
        QL_TRY(out.add(std::move(tuple)));
    }
    return out.list();
}

Result<Value> items(const Call & call) {
    return call.self.is_undefined() ? ListMaker(call.meter).list() : pairs(call.self.dict(), call.meter);
}

/// What sorting and uniqueness compare: the attribute, in lower case where case does not count.
Result<Value> sort_key(const Value & item, const Value & attribute, bool case_sensitive, Meter & meter) {
    Value key = item;
    if (!attribute.is_undefined() && !attribute.is_none()) {
        QL_ASSIGN(key, attribute_path(item, attribute, meter));
    }
    if (case_sensitive || !key.is_string()) return key;
    return change_case(key.text(), Case::lower, meter);
}

struct Keyed {
    Value key, item;
};

/// Merges two sorted neighbours. Written out, as std::sort cannot stop at a comparison that fails.
Status merge(const std::vector<Keyed> & from, std::vector<Keyed> & to, size_t begin, size_t middle, size_t end,
             bool reversed, Meter & meter) {
    size_t left = begin, right = middle;
    for (size_t i = begin; i < end; ++i) {
        bool take_right = left == middle;
        if (left < middle && right < end) {
            QL_ASSIGN(take_right, reversed ? less(from[left].key, from[right].key, meter)
                                           : less(from[right].key, from[left].key, meter));
        }
        to[i] = from[take_right ? right++ : left++];
    }
    return {};
}

/// A stable sort, from runs of one upwards.
Result<std::shared_ptr<const List>> sorted(const std::vector<Value> & in, const Value & attribute, bool case_sensitive,
                                           bool reversed, Meter & meter) {
    QL_TRY(meter.charge(in.size(), 2 * sizeof(Keyed)));
    std::vector<Keyed> keyed, merged(in.size());
    for (const Value & item : in) {
        QL_TRY(meter.step());
        QL_ASSIGN(Value key, sort_key(item, attribute, case_sensitive, meter));
        keyed.push_back({std::move(key), item});
    }
    for (size_t width = 1; width < in.size(); width *= 2) {
        for (size_t begin = 0; begin < in.size(); begin += 2 * width)
            QL_TRY(merge(keyed, merged, begin, std::min(begin + width, in.size()),
                         std::min(begin + 2 * width, in.size()), reversed, meter));
        keyed.swap(merged);
    }
    ListMaker out(meter);
    for (Keyed & k : keyed) QL_TRY(out.add(std::move(k.item)));
    QL_ASSIGN(const Value list, out.list());
    return list.list_ptr();
}

Result<Value> sort(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    QL_ASSIGN(auto out, sorted(list->items, call.args[2], call.args[1].truthy(), call.args[0].truthy(), call.meter));
    return Value(std::move(out));
}

Result<Value> dictsort(const Call & call) {
    const std::string by = call.has(1) ? call.args[1].text().bytes() : "key";
    if (by != "key" && by != "value")
        return error(QL_INVALID_ARGUMENT, "dictsort: 'by' must be 'key' or 'value', got '%.40s'", by.c_str());
    QL_ASSIGN(const Value list, pairs(call.self.dict(), call.meter));
    const Value position(int64_t{by == "value" ? 1 : 0});
    QL_ASSIGN(auto out, sorted(list.list().items, position, call.args[0].truthy(), call.args[2].truthy(), call.meter));
    return Value(std::move(out));
}

Result<Value> unique(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    std::vector<Value> keys;
    ListMaker out(call.meter);
    for (const Value & item : list->items) {
        QL_ASSIGN(Value key, sort_key(item, call.args[1], call.args[0].truthy(), call.meter));
        bool seen = false;
        for (size_t i = 0; i < keys.size() && !seen; ++i) {
            QL_ASSIGN(seen, equal(keys[i], key, call.meter));
        }
        if (seen) continue;
        QL_TRY(call.meter.charge(2 * sizeof(Value)));
        keys.push_back(std::move(key));
        QL_TRY(out.add(item));
    }
    return out.list();
}

Result<Value> extreme(const Call & call, bool smallest) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    QL_ASSIGN(const auto in_order, sorted(list->items, call.args[1], call.args[0].truthy(), !smallest, call.meter));
    return in_order->items.empty() ? Value(Undefined{"the extreme of an empty list"}) : in_order->items.front();
}

Result<Value> sum(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    Value total = call.given(1) ? call.args[1] : Value(int64_t{0});
    if (total.is_string()) return error(QL_INVALID_ARGUMENT, "sum: strings cannot be summed; use join");
    for (Value item : list->items) {
        if (call.has(0)) {
            QL_ASSIGN(item, attribute_path(item, call.args[0], call.meter));
        }
        QL_TRY(call.meter.step());
        QL_ASSIGN(total, binary("+", total, item, call.meter));
    }
    return total;
}

}  // namespace

const std::vector<Builtin> & filters_of_lists() {
    static const Parameter attribute{"attribute", kText | kInteger | kNone}, case_sensitive{"case_sensitive"};
    static const std::vector<Builtin> table = {
        {"join", kAny, {{"d"}, attribute}, join},
        {"map", kAny, {}, map, true},
        {"select", kAny, {}, [](const Call & call) { return choose(call, false, true); }, true},
        {"reject", kAny, {}, [](const Call & call) { return choose(call, false, false); }, true},
        {"selectattr", kAny, {}, [](const Call & call) { return choose(call, true, true); }, true},
        {"rejectattr", kAny, {}, [](const Call & call) { return choose(call, true, false); }, true},
        {"list", kAny, {}, to_list},
        {"first", kAny, {}, [](const Call & call) { return first_or_last(call, true); }},
        {"last", kAny, {}, [](const Call & call) { return first_or_last(call, false); }},
        {"reverse", kAny, {}, reverse},
        {"items", kDict | kUndefined, {}, items},
        {"sort", kAny, {{"reverse"}, case_sensitive, attribute}, sort},
        {"dictsort", kDict, {case_sensitive, {"by", kText}, {"reverse"}}, dictsort},
        {"unique", kAny, {case_sensitive, attribute}, unique},
        {"min", kAny, {case_sensitive, attribute}, [](const Call & call) { return extreme(call, true); }},
        {"max", kAny, {case_sensitive, attribute}, [](const Call & call) { return extreme(call, false); }},
        {"sum", kAny, {attribute, {"start"}}, sum},
    };
    return table;
}

}  // namespace ql::jinja
