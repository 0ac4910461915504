// Calls of built-in things: binding arguments to parameters, and the functions that every template has.
#include <algorithm>
#include <cstring>

#include "models/text/jinja_ops.hpp"

namespace ql::jinja {

Status Call::bind(const std::vector<const char *> & parameters) {
    const bool variadic = !parameters.empty() && std::strcmp(parameters[0], "...") == 0;
    if (variadic) return {};
    if (args.size() > parameters.size())
        return error(QL_INVALID_ARGUMENT, "%s takes at most %zu arguments, got %zu", name.c_str(), parameters.size(),
                     args.size());
    args.resize(parameters.size());
    for (auto & [key, value] : named) {
        const auto found = std::find_if(parameters.begin(), parameters.end(), [&](const char * p) { return key == p; });
        if (found == parameters.end())
            return error(QL_UNSUPPORTED, "%s has no argument '%s'", name.c_str(), key.c_str());
        args[static_cast<size_t>(found - parameters.begin())] = std::move(value);
    }
    named.clear();
    return {};
}

Result<int64_t> Call::integer(size_t i, int64_t otherwise) const {
    if (!has(i)) return otherwise;
    if (!args[i].is_integer())
        return error(QL_INVALID_ARGUMENT, "%s needs an integer, got %s", name.c_str(), args[i].type_name());
    return args[i].integer();
}

Result<Text> Call::text(size_t i, const char * otherwise) const {
    if (!has(i) && otherwise) return Text(otherwise);
    if (i >= args.size() || !args[i].is_string())
        return error(QL_INVALID_ARGUMENT, "%s needs a string, got %s", name.c_str(),
                     i < args.size() ? args[i].type_name() : "nothing");
    return args[i].text();
}

bool has_builtin(const std::vector<Builtin> & table, std::string_view name) {
    return std::any_of(table.begin(), table.end(), [&](const Builtin & row) { return name == row.name; });
}

Result<Value> run_builtin(const std::vector<Builtin> & table, const char * what, Call call) {
    for (const Builtin & row : table) {
        if (call.name != row.name) continue;
        if (call.self.is_string()) QL_TRY(call.meter.step(static_cast<int64_t>(call.self.text().size() / 256)));
        if (call.self.is_list()) QL_TRY(call.meter.step(static_cast<int64_t>(call.self.list().items.size() / 16)));
        QL_TRY(call.bind(row.parameters));
        return row.run(call);
    }
    return error(QL_UNSUPPORTED, "the %s '%s' is not supported", what, call.name.c_str());
}

namespace {

Result<Value> raise_exception(const Call & call) {
    QL_ASSIGN(const Text message, to_text(call.args[0], call.meter));
    return error(QL_INVALID_ARGUMENT, "the template refuses these messages: %s", message.bytes().c_str());
}

/// namespace(...) and dict(...): named arguments over those of a dict.
Result<Dict> named_items(const Call & call) {
    Dict dict;
    if (call.args.size() > 1 || (call.args.size() == 1 && !call.args[0].is_dict()))
        return error(QL_UNSUPPORTED, "%s takes named arguments or a dict", call.name.c_str());
    if (!call.args.empty()) dict = call.args[0].dict();
    for (const auto & [name, value] : call.named) dict.set(name, value);
    if (dict.depth > kMaxNesting) return error(QL_UNSUPPORTED, "dicts are nested too deeply");
    QL_TRY(call.meter.charge((dict.items.size() + 1) * (sizeof(Value) + sizeof(std::string))));
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

constexpr int64_t kMaxRange = 100'000;  // Jinja's sandbox has the same limit

Result<Value> range(const Call & call) {
    if (!call.has(0)) return error(QL_INVALID_ARGUMENT, "range needs an integer");
    QL_ASSIGN(int64_t begin, call.integer(0, 0));
    QL_ASSIGN(int64_t end, call.integer(1, 0));
    QL_ASSIGN(const int64_t step, call.integer(2, 1));
    if (!call.has(1)) end = std::exchange(begin, 0);
    if (step == 0) return error(QL_INVALID_ARGUMENT, "range: the step is 0");
    std::vector<Value> items;
    for (__int128 i = begin; step > 0 ? i < end : i > end; i += step) {
        if (items.size() >= kMaxRange) return error(QL_UNSUPPORTED, "range has more than 100000 elements");
        items.emplace_back(static_cast<int64_t>(i));
    }
    return make_list(std::move(items), call.meter);
}

Result<Value> strftime_now(const Call & call) {
    QL_ASSIGN(const Text format, call.text(0, nullptr));
    QL_ASSIGN(std::string date, format_date(call.self.text().bytes(), format.bytes()));
    return Value(std::move(date));
}

}  // namespace

const std::vector<Builtin> & functions() {
    static const std::vector<Builtin> table = {
        {"raise_exception", {"message"}, raise_exception},
        {"namespace", {"..."}, make_namespace},
        {"dict", {"..."}, make_dict},
        {"range", {"start", "stop", "step"}, range},
        {"strftime_now", {"format"}, strftime_now},
    };
    return table;
}

Result<Value> call_function(Call call) {
    return run_builtin(functions(), "function", std::move(call));
}

Result<std::string> format_date(const std::string & date, const std::string & pattern) {
    int year = 0, month = 0, day = 0;
    char rest = 0;
    if (std::sscanf(date.c_str(), "%4d-%2d-%2d%c", &year, &month, &day, &rest) != 3 || year < 1 || month < 1 ||
        month > 12 || day < 1 || day > 31)
        return error(QL_INVALID_ARGUMENT, "'%s' is not a date; write YYYY-MM-DD", date.c_str());
    static const char * const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};
    static const char * const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    static const int offsets[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};  // Sakamoto's rule for the day of the week
    const int y = month < 3 ? year - 1 : year;
    const std::string month_name = months[month - 1];
    const std::string day_name = days[(y + y / 4 - y / 100 + y / 400 + offsets[month - 1] + day) % 7];
    std::string out;
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '%' || i + 1 == pattern.size()) {
            out += pattern[i];
            continue;
        }
        const bool bare = pattern[i + 1] == '-' && i + 2 < pattern.size();  // %-d: without the leading zero
        const char code = pattern[i += bare ? 2 : 1];
        switch (code) {
            case 'd':
                out += bare ? format("%d", day) : format("%02d", day);
                break;
            case 'm':
                out += bare ? format("%d", month) : format("%02d", month);
                break;
            case 'y':
                out += format("%02d", year % 100);
                break;
            case 'Y':
                out += format("%04d", year);
                break;
            case 'b':
            case 'h':
                out += month_name.substr(0, 3);
                break;
            case 'B':
                out += month_name;
                break;
            case 'a':
                out += day_name.substr(0, 3);
                break;
            case 'A':
                out += day_name;
                break;
            case 'F':
                out += format("%04d-%02d-%02d", year, month, day);
                break;
            case 'H':
            case 'M':
            case 'S':
                out += bare ? "0" : "00";
                break;  // a date has no time: midnight
            case '%':
                out += '%';
                break;
            default:
                return error(QL_UNSUPPORTED, "the date format '%%%c' is not supported", code);
        }
    }
    return out;
}

}  // namespace ql::jinja
