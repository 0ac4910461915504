// Filters over lists: choosing, mapping, joining, sorting.
#include <algorithm>

#include "models/text/jinja_ops.hpp"

namespace ql::jinja {

namespace {

/// item.a.b, as the argument `attribute` of these filters writes it.
Result<Value> attribute_path(const Value & item, const Value & path, Meter & meter) {
    if (path.is_integer()) return get_item(item, path, meter);
    if (!path.is_string())
        return error(QL_INVALID_ARGUMENT, "an attribute's name is a string, got %s", path.type_name());
    Value value = item;
    const std::string & names = path.text().bytes();
    for (size_t at = 0; at <= names.size();) {
        const size_t dot = std::min(names.find('.', at), names.size());
        QL_ASSIGN(value, get_item(value, Value(names.substr(at, dot - at)), meter));
        at = dot + 1;
    }
    return value;
}

const Value * named(const Call & call, const char * name) {
    for (const auto & item : call.named)
        if (item.first == name) return &item.second;
    return nullptr;
}

Result<Value> join(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    QL_ASSIGN(const Text separator, to_text(call.args[0], call.meter));
    Text out;
    for (size_t i = 0; i < list->items.size(); ++i) {
        Value item = list->items[i];
        if (call.has(1)) {
            QL_ASSIGN(item, attribute_path(item, call.args[1], call.meter));
        }
        QL_ASSIGN(const Text text, to_text(item, call.meter));
        QL_TRY(call.meter.charge(text.size() + separator.size()));
        if (i > 0) out.append(separator);
        out.append(text);
    }
    return Value(std::move(out));
}

/// map(attribute="x", default=y) or map("filter", arguments...).
Result<Value> map(const Call & call) {
    if (!call.self.truthy()) return make_list({}, call.meter);  // none too, as in Jinja
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    const Value * attribute = named(call, "attribute");
    const Value * otherwise = named(call, "default");
    std::vector<Value> out;
    for (const Value & item : list->items) {
        QL_TRY(call.meter.step());
        if (attribute) {
            QL_ASSIGN(Value value, attribute_path(item, *attribute, call.meter));
            out.push_back(value.is_undefined() && otherwise ? *otherwise : std::move(value));
            continue;
        }
        if (call.args.empty() || !call.args[0].is_string())
            return error(QL_INVALID_ARGUMENT, "map needs a filter's name or attribute=");
        Call inner{call.args[0].text().bytes(), item, {call.args.begin() + 1, call.args.end()}, call.named, call.meter};
        QL_ASSIGN(Value value, apply_filter(std::move(inner)));
        out.push_back(std::move(value));
    }
    return make_list(std::move(out), call.meter);
}

/// select, reject, selectattr, rejectattr: by a test, or by truth where none is named.
Result<Value> choose(const Call & call, bool by_attribute, bool keep) {
    if (!call.self.truthy()) return make_list({}, call.meter);  // none too, as in Jinja
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    const size_t skip = by_attribute ? 1 : 0;
    if (call.args.size() < skip) return error(QL_INVALID_ARGUMENT, "%s needs an attribute's name", call.name.c_str());
    std::vector<Value> out;
    for (const Value & item : list->items) {
        QL_TRY(call.meter.step());
        Value value = item;
        if (by_attribute) {
            QL_ASSIGN(value, attribute_path(item, call.args[0], call.meter));
        }
        bool passes = value.truthy();
        if (call.args.size() > skip) {
            if (!call.args[skip].is_string())
                return error(QL_INVALID_ARGUMENT, "%s needs a test's name", call.name.c_str());
            const auto rest = call.args.begin() + static_cast<ptrdiff_t>(skip) + 1;
            Call test{call.args[skip].text().bytes(), std::move(value), {rest, call.args.end()}, {}, call.meter};
            QL_ASSIGN(passes, apply_test(std::move(test)));
        }
        if (passes == keep) out.push_back(item);
    }
    return make_list(std::move(out), call.meter);
}

Result<Value> to_list(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    return make_list(list->items, call.meter);
}

Result<Value> first_or_last(const Call & call, bool first) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    if (list->items.empty()) return Value(Undefined{"the item of an empty list"});
    return first ? list->items.front() : list->items.back();
}

Result<Value> reverse(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    std::vector<Value> items(list->items.rbegin(), list->items.rend());
    if (!call.self.is_string()) return make_list(std::move(items), call.meter);
    Text out;
    for (const Value & item : items) out.append(item.text());
    return make_text(std::move(out), call.meter);
}

Result<Value> pairs(const Dict & dict, Meter & meter) {
    std::vector<Value> out;
    for (const auto & [key, value] : dict.items) {
        QL_ASSIGN(Value pair, make_list({Value(key), value}, meter, true));
        out.push_back(std::move(pair));
    }
    return make_list(std::move(out), meter);
}

Result<Value> items(const Call & call) {
    if (call.self.is_undefined()) return make_list({}, call.meter);
    if (!call.self.is_dict()) return error(QL_INVALID_ARGUMENT, "items needs a dict, got %s", call.self.type_name());
    return pairs(call.self.dict(), call.meter);
}

/// What sorting and uniqueness compare: the attribute, in lower case where case does not count.
Result<Value> sort_key(const Value & item, const Value & attribute, bool case_sensitive, Meter & meter) {
    Value key = item;
    if (!attribute.is_undefined() && !attribute.is_none()) {
        QL_ASSIGN(key, attribute_path(item, attribute, meter));
    }
    if (case_sensitive || !key.is_string()) return key;
    QL_ASSIGN(Text lower, change_case(key.text(), Case::lower));
    return Value(std::move(lower));
}

/// Insertion by binary search: std::sort cannot stop at a comparison that fails.
Result<Value> sorted(const std::vector<Value> & in, const Value & attribute, bool case_sensitive, bool reversed,
                     Meter & meter) {
    std::vector<std::pair<Value, Value>> out;  // key, item
    for (const Value & item : in) {
        QL_ASSIGN(Value key, sort_key(item, attribute, case_sensitive, meter));
        size_t low = 0, high = out.size();
        while (low < high) {
            const size_t middle = (low + high) / 2;
            QL_ASSIGN(const bool before,
                      reversed ? less(out[middle].first, key, meter) : less(key, out[middle].first, meter));
            (before ? high : low) = before ? middle : middle + 1;
        }
        QL_TRY(meter.step(static_cast<int64_t>(out.size() - low) / 16));
        out.insert(out.begin() + static_cast<ptrdiff_t>(low), {std::move(key), item});
    }
    std::vector<Value> items;
    for (auto & pair : out) items.push_back(std::move(pair.second));
    return make_list(std::move(items), meter);
}

Result<Value> sort(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    return sorted(list->items, call.args[2], call.args[1].truthy(), call.args[0].truthy(), call.meter);
}

Result<Value> dictsort(const Call & call) {
    if (!call.self.is_dict()) return error(QL_INVALID_ARGUMENT, "dictsort needs a dict, got %s", call.self.type_name());
    QL_ASSIGN(const Text by, call.text(1, "key"));
    QL_ASSIGN(const Value list, pairs(call.self.dict(), call.meter));
    const Value position(int64_t{by.bytes() == "value" ? 1 : 0});
    return sorted(list.list().items, position, call.args[0].truthy(), call.args[2].truthy(), call.meter);
}

Result<Value> unique(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    std::vector<Value> keys, out;
    for (const Value & item : list->items) {
        QL_ASSIGN(Value key, sort_key(item, call.args[1], call.args[0].truthy(), call.meter));
        bool seen = false;
        for (size_t i = 0; i < keys.size() && !seen; ++i) {
            QL_ASSIGN(seen, equal(keys[i], key, call.meter));
        }
        if (seen) continue;
        keys.push_back(std::move(key));
        out.push_back(item);
    }
    return make_list(std::move(out), call.meter);
}

Result<Value> extreme(const Call & call, bool smallest) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    QL_ASSIGN(const Value in_order, sorted(list->items, call.args[1], call.args[0].truthy(), !smallest, call.meter));
    const auto & items = in_order.list().items;
    return items.empty() ? Value(Undefined{"the extreme of an empty list"}) : items.front();
}

Result<Value> sum(const Call & call) {
    QL_ASSIGN(const auto list, iterate(call.self, call.meter));
    Value total = call.has(1) ? call.args[1] : Value(int64_t{0});
    for (Value item : list->items) {
        if (call.has(0)) {
            QL_ASSIGN(item, attribute_path(item, call.args[0], call.meter));
        }
        QL_ASSIGN(total, binary("+", total, item, call.meter));
    }
    return total;
}

}  // namespace

const std::vector<Builtin> & filters_of_lists() {
    static const std::vector<Builtin> table = {
        {"join", {"d", "attribute"}, join},
        {"map", {"..."}, map},
        {"select", {"..."}, [](const Call & call) { return choose(call, false, true); }},
        {"reject", {"..."}, [](const Call & call) { return choose(call, false, false); }},
        {"selectattr", {"..."}, [](const Call & call) { return choose(call, true, true); }},
        {"rejectattr", {"..."}, [](const Call & call) { return choose(call, true, false); }},
        {"list", {}, to_list},
        {"first", {}, [](const Call & call) { return first_or_last(call, true); }},
        {"last", {}, [](const Call & call) { return first_or_last(call, false); }},
        {"reverse", {}, reverse},
        {"items", {}, items},
        {"sort", {"reverse", "case_sensitive", "attribute"}, sort},
        {"dictsort", {"case_sensitive", "by", "reverse"}, dictsort},
        {"unique", {"case_sensitive", "attribute"}, unique},
        {"min", {"case_sensitive", "attribute"}, [](const Call & call) { return extreme(call, true); }},
        {"max", {"case_sensitive", "attribute"}, [](const Call & call) { return extreme(call, false); }},
        {"sum", {"attribute", "start"}, sum},
    };
    return table;
}

}  // namespace ql::jinja
