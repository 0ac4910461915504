#include "models/text/jinja/call.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

namespace ql::jinja {

std::string describe_types(Types types) {
    if (types == type::kAny) return "a value";
    std::string out;
    const auto add = [&](Types set, const char * name) {
        if ((types & set) != set) return;
        types &= ~set;
        out += (out.empty() ? "" : " or ") + std::string(name);
    };
    add(type::kNumber, "a number");
    add(type::kInteger, "an integer");
    for (const Types bit : {type::kText, type::kList, type::kDict, type::kBoolean, type::kFloat})
        for (size_t i = 0; i < 32; ++i)
            if (bit == 1u << i) add(bit, Value::type_name(i));
    return out;
}

namespace {

/// What was got, in the words of a message.
std::string got(const Value & value) {
    if (!value.is_undefined()) return value.type_name();
    return "'" + value.undefined_name() + "', which is undefined";
}

Status check_type(const Call & call, const Parameter & parameter, const Value & value) {
    if ((value.type_bit() & parameter.types) != 0) return {};
    return error(QL_INVALID_ARGUMENT, "%s: '%s' must be %s, got %s", call.shown().c_str(), parameter.name,
                 describe_types(parameter.types).c_str(), got(value).c_str());
}

Status bind_named(Call & call, const std::vector<Parameter> & parameters) {
    QL_TRY(call.meter.step(call.named.size() * parameters.size() / 16));
    for (auto & [key, value] : call.named) {
        const auto found = std::find_if(parameters.begin(), parameters.end(),
                                        [&, k = key](const Parameter & p) { return p.by_name && k == p.name; });
        const std::string shown = Undefined::of(key).name;
        if (found == parameters.end())
            return error(QL_UNSUPPORTED, "%s has no argument '%s'", call.shown().c_str(), shown.c_str());
        const auto i = static_cast<size_t>(found - parameters.begin());
        if (call.is_given[i])
            return error(QL_INVALID_ARGUMENT, "%s: '%s' is given twice", call.shown().c_str(), shown.c_str());
        call.args[i] = std::move(value);
        call.is_given[i] = true;
    }
    call.named.clear();
    return {};
}

}  // namespace

Status bind(Call & call, const std::vector<Parameter> & parameters) {
    const size_t n_given = call.args.size();
    if (n_given > parameters.size())
        return error(QL_INVALID_ARGUMENT, "%s takes at most %zu argument%s, got %zu", call.shown().c_str(),
                     parameters.size(), parameters.size() == 1 ? "" : "s", n_given);
    call.args.resize(parameters.size());
    call.is_given.assign(parameters.size(), false);
    std::fill_n(call.is_given.begin(), n_given, true);
    QL_TRY(bind_named(call, parameters));
    for (size_t i = 0; i < parameters.size(); ++i) {
        if (call.is_given[i])
            QL_TRY(check_type(call, parameters[i], call.args[i]));
        else if (parameters[i].required)
            return error(QL_INVALID_ARGUMENT, "%s needs its argument '%s'", call.shown().c_str(), parameters[i].name);
    }
    return {};
}

const Builtin * find_builtin(const std::vector<Builtin> & table, std::string_view name) {
    const auto found = std::find_if(table.begin(), table.end(), [&](const Builtin & row) { return name == row.name; });
    return found == table.end() ? nullptr : &*found;
}

Result<Value> run_builtin(const std::vector<Builtin> & table, const char * what, Call call) {
    const Builtin * row = find_builtin(table, call.name);
    if (!row) return error(QL_UNSUPPORTED, "the %s '%s' is not supported", what, call.shown().c_str());
    if ((call.self.type_bit() & row->self) == 0)
        return error(QL_INVALID_ARGUMENT, "%s needs %s, got %s", row->name, describe_types(row->self).c_str(),
                     got(call.self).c_str());
    if (!row->variadic) QL_TRY(bind(call, row->parameters));
    return row->run(call);
}

Status ListMaker::add(Value item) {
    QL_TRY(meter_.step());
    QL_TRY(meter_.charge(2 * sizeof(Value)));  // a vector has up to twice the room it needs
    items_.push_back(std::move(item));
    return {};
}

Result<Value> ListMaker::finish(bool is_tuple) {
    QL_TRY(meter_.charge(sizeof(List)));
    Value list = Value::list(std::move(items_), is_tuple);
    if (list.depth() > kMaxNesting) return error(QL_UNSUPPORTED, "lists are nested too deeply");
    return list;
}

Status append(Text & out, const Text & text, size_t begin, size_t end, Meter & meter) {
    QL_TRY(meter.charge(end - begin));
    QL_TRY(meter.charge(text.n_runs(begin, end), sizeof(Run)));
    out.append(text, begin, end);
    return {};
}

Status append(Text & out, const Text & text, Meter & meter) {
    return append(out, text, 0, text.size(), meter);
}

Result<Value> make_part(const Text & text, size_t begin, size_t end, Meter & meter) {
    Text part;
    QL_TRY(meter.charge(sizeof(Text)));
    if (begin < end) QL_TRY(append(part, text, begin, end, meter));
    if (text.is_safe()) part.mark_safe();
    return Value(std::move(part));
}

Result<Value> make_text(std::string_view bytes, Meter & meter) {
    QL_TRY(meter.charge(sizeof(Text) + bytes.size()));
    return Value(Text(std::string(bytes)));
}

Result<Value> make_key(std::string_view key, Meter & meter) {
    if (!is_number_key(key)) return make_text(key, meter);
    int64_t number = 0;
    std::from_chars(key.data() + 1, key.data() + key.size(), number);
    return Value(number);
}

Result<const Value *> find_key(const Dict & dict, const Value & key, Meter & meter) {
    constexpr double kWhole = 9007199254740992.0;  // up to here a float is each whole number
    const Value * found = nullptr;
    if (key.is_string()) {
        QL_TRY(meter.scan(key.text().size()));
        if (!is_number_key(key.text().view())) found = dict.find(key.text().view());
    } else if (key.is_integer()) {
        found = dict.find(number_key(key.integer()));
    } else if (key.is_number() && std::fabs(key.number()) <= kWhole && std::trunc(key.number()) == key.number()) {
        found = dict.find(number_key(static_cast<int64_t>(key.number())));
    }
    return found;
}

}  // namespace ql::jinja
