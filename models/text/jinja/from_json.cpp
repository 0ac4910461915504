#include "models/text/jinja/from_json.hpp"

#include <limits>

namespace ql::jinja {

// Recursion is bounded: parse_json limits the depth of what it reads.
Result<Value> from_json(const Json & json, int32_t source, MessagePart part) {
    if (json.is_null()) return Value(None{});
    if (json.is_boolean()) return Value(json.get<bool>());
    if (json.is_string()) {
        const auto & bytes = json.get_ref<const std::string &>();
        return Value(source < 0 ? Text(bytes) : Text::from_message(bytes, source, part));
    }
    if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})
        return error(QL_UNSUPPORTED, "%llu is too large for a number of a template",
                     static_cast<unsigned long long>(json.get<uint64_t>()));
    if (json.is_number_integer()) return Value(json.get<int64_t>());
    if (json.is_number()) return Value(json.get<double>());
    if (json.is_array()) {
        std::vector<Value> items;
        for (const Json & item : json) {
            QL_ASSIGN(Value value, from_json(item, source, part));
            items.push_back(std::move(value));
        }
        return Value::list(std::move(items));
    }
    Dict dict;
    for (const auto & [key, item] : json.get_ref<const Json::object_t &>()) {
        QL_ASSIGN(Value value, from_json(item, source, part));
        dict.set(key, std::move(value));
    }
    return Value::dict(std::move(dict));
}

}  // namespace ql::jinja
