// The functions that every template has.
#include <utility>

#include "models/base/date.hpp"
#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/print.hpp"

namespace ql::jinja {

namespace {

constexpr size_t kMaxRaised = 1000;     // bytes of a template's own message that are shown
constexpr int64_t kMaxRange = 100'000;  // Jinja's sandbox has the same limit

Result<Value> raise_exception(const Call & call) {
    QL_ASSIGN(const TextPtr message, to_text(call.args[0], call.meter));
    return error(QL_INVALID_ARGUMENT, "the template refuses these messages: %s",
                 message->bytes().substr(0, kMaxRaised).c_str());
}

/// namespace(...) and dict(...): named arguments over those of a dict.
Result<Dict> named_items(const Call & call) {
    if (call.args.size() > 1 || (call.args.size() == 1 && !call.args[0].is_dict()))
        return error(QL_UNSUPPORTED, "%s takes named arguments or a dict", call.shown().c_str());
    Dict dict;
    const auto add = [&](std::string_view name, const Value & value) -> Status {
        QL_TRY(call.meter.step());
        QL_TRY(call.meter.charge(2 * (sizeof(Dict::Item) + name.size())));
        dict.set(std::string(name), value);
        return {};
    };
    if (!call.args.empty())
        for (const auto & [name, value] : call.args[0].dict().items()) QL_TRY(add(name, value));
    for (const auto & [name, value] : call.named) QL_TRY(add(name, value));
    if (dict.depth() > kMaxNesting) return error(QL_UNSUPPORTED, "dicts are nested too deeply");
    QL_TRY(call.meter.charge(sizeof(Namespace)));
    return dict;
}

Result<Value> make_namespace(const Call & call) {
    QL_ASSIGN(Dict items, named_items(call));
    return Value(std::make_shared<Namespace>(Namespace{std::move(items)}));
}

Result<Value> make_dict(const Call & call) {
    QL_ASSIGN(Dict items, named_items(call));
    return Value::dict(std::move(items));
}

Result<Value> range(const Call & call) {
    int64_t begin = call.integer(0, 0), end = call.integer(1, 0);
    const int64_t step = call.integer(2, 1);
    if (!call.has(1)) end = std::exchange(begin, 0);
    if (step == 0) return error(QL_INVALID_ARGUMENT, "range: the step is 0");
    ListMaker items(call.meter);
    for (__int128 i = begin; step > 0 ? i < end : i > end; i += step) {
        if (items.size() >= kMaxRange) return error(QL_UNSUPPORTED, "range has more than 100000 elements");
        QL_TRY(items.add(static_cast<int64_t>(i)));
    }
    return items.list();
}

Result<Value> strftime_now(const Call & call) {
    const std::string & pattern = call.args[0].text().bytes();
    QL_TRY(call.meter.charge(pattern.size(), 16));  // "%F" becomes ten bytes
    QL_ASSIGN(const Date date, read_date(call.self.text().bytes()));
    QL_ASSIGN(const std::string text, format_date(date, pattern));
    return make_text(text, call.meter);
}

}  // namespace

const std::vector<Builtin> & functions() {
    static const std::vector<Builtin> table = {
        {"raise_exception", type::kAny, {{"message", type::kAny, true}}, raise_exception},
        {"namespace", type::kAny, {}, make_namespace, true},
        {"dict", type::kAny, {}, make_dict, true},
        {"range",
         type::kAny,
         {placed("start", type::kInteger), placed_or_not("stop", type::kInteger),
          placed_or_not("step", type::kInteger)},
         range},
        {"strftime_now", type::kText, {{"format", type::kText, true}}, strftime_now},
    };
    return table;
}

Result<Value> call_function(Call call) {
    return run_builtin(functions(), "function", std::move(call));
}

}  // namespace ql::jinja
