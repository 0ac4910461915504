// Values: truth, depth, equality.
#include "models/text/jinja/value.hpp"

#include <algorithm>

namespace ql::jinja {
namespace {

constexpr size_t kFew = 16;       // names that are found faster one by one
constexpr size_t kMaxShown = 80;  // bytes of a name in a message

}  // namespace

Undefined Undefined::of(std::string_view name) {
    if (name.size() <= kMaxShown) return {std::string(name)};
    return {std::string(name.substr(0, kMaxShown)) + "..."};
}

std::string number_key(int64_t number) {
    return kNumberKey + std::to_string(number);
}

size_t Dict::position(std::string_view key) const {
    if (!index_.empty()) {
        const auto found = index_.find(key);
        return found == index_.end() ? items_.size() : found->second;
    }
    size_t i = 0;
    while (i < items_.size() && items_[i].first != key) ++i;
    return i;
}

const Value * Dict::find(std::string_view key) const {
    const size_t at = position(key);
    return at < items_.size() ? &items_[at].second : nullptr;
}

void Dict::set(std::string key, Value value) {
    depth_ = std::max(depth_, value.depth() + 1);
    const size_t at = position(key);
    if (at < items_.size()) {
        items_[at].second = std::move(value);
        return;
    }
    if (!index_.empty()) index_.emplace(key, at);
    items_.emplace_back(std::move(key), std::move(value));
    if (items_.size() == kFew)
        for (size_t i = 0; i < kFew; ++i) index_.emplace(items_[i].first, i);
}

void Dict::clear() {
    items_.clear();
    index_.clear();
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
    if (is_dict()) return dict().depth();
    if (is_callable()) return callable().self.depth() + 1;
    if (is_loop()) return loop().items->depth + 1;
    return 0;
}

bool Value::truthy() const {
    if (is_undefined() || is_none()) return false;
    if (is_number()) return number() != 0;
    if (is_string()) return !text().empty();
    if (is_list()) return !list().items.empty();
    if (is_dict()) return !dict().empty();
    return true;
}

const char * Value::type_name(size_t alternative) {
    static const char * const names[] = {"undefined", "none",   "a boolean",   "an integer", "a float",   "a string",
                                         "a list",    "a dict", "a namespace", "a loop",     "a function"};
    return names[alternative];
}

namespace {

Result<bool> equal_texts(const Text & a, const Text & b, Meter & meter) {
    if (a.size() != b.size()) return false;
    QL_TRY(meter.scan(a.size()));
    return a.bytes() == b.bytes();
}

Result<bool> equal_lists(const List & a, const List & b, Meter & meter) {
    if (a.items.size() != b.items.size() || a.is_tuple != b.is_tuple) return false;
    for (size_t i = 0; i < a.items.size(); ++i) {
        QL_ASSIGN(const bool same, equal(a.items[i], b.items[i], meter));
        if (!same) return false;
    }
    return true;
}

Result<bool> equal_dicts(const Dict & a, const Dict & b, Meter & meter) {
    if (a.size() != b.size()) return false;
    for (const auto & [key, value] : a.items()) {
        QL_TRY(meter.scan(key.size()));
        const Value * other = b.find(key);
        if (!other) return false;
        QL_ASSIGN(const bool same, equal(value, *other, meter));
        if (!same) return false;
    }
    return true;
}

}  // namespace

Result<bool> equal(const Value & a, const Value & b, Meter & meter) {
    QL_TRY(meter.step());
    QL_TRY(meter.check_stack());
    if (a.is_number() && b.is_number()) {
        if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
        return a.number() == b.number();
    }
    if (a.type_bit() != b.type_bit()) return false;
    if (a.is_undefined() || a.is_none()) return true;
    if (a.is_string()) return equal_texts(a.text(), b.text(), meter);
    if (a.is_list()) return equal_lists(a.list(), b.list(), meter);
    if (a.is_dict()) return equal_dicts(a.dict(), b.dict(), meter);
    if (a.is_namespace()) return &a.ns() == &b.ns();
    return false;
}

}  // namespace ql::jinja
