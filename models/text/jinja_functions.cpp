// The functions that every template has.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "models/text/jinja_ops.hpp"
#include "models/text/jinja_print.hpp"

namespace ql::jinja {

namespace {

constexpr size_t kMaxRaised = 1000;      // bytes of a template's own message that are shown
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
    QL_ASSIGN(const std::string date, format_date(call.self.text().bytes(), pattern));
    return make_text(date, call.meter);
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

namespace {

struct Date {
    int year = 0, month = 0, day = 0;
};

Result<Date> read_date(const std::string & text) {
    Date d;
    char rest = 0;
    const int read = std::sscanf(text.c_str(), "%4d-%2d-%2d%c", &d.year, &d.month, &d.day, &rest);
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (d.year % 4 == 0 && d.year % 100 != 0) || d.year % 400 == 0;
    if (read != 3 || text.size() != 10 || d.year < 1 || d.month < 1 || d.month > 12 || d.day < 1 ||
        d.day > lengths[d.month - 1] || (d.month == 2 && d.day == 29 && !leap))
        return error(QL_INVALID_ARGUMENT, "'%.40s' is not a date; write YYYY-MM-DD", text.c_str());
    return d;
}

/// 0 is Sunday. (Sakamoto's rule)
int weekday(const Date & d) {
    static const int offsets[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
    const int y = d.month < 3 ? d.year - 1 : d.year;
    return (y + y / 4 - y / 100 + y / 400 + offsets[d.month - 1] + d.day) % 7;
}

/// What strftime's %code stands for; bare: %-code, without the leading zero. A date has no time: midnight.
Result<std::string> date_part(const Date & d, char code, bool bare) {
    static const char * const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};
    static const char * const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    const auto two = [&](int n) { return bare ? format("%d", n) : format("%02d", n); };
    const std::string month = months[d.month - 1], day = days[weekday(d)];
    switch (code) {
        case 'd':
            return two(d.day);
        case 'm':
            return two(d.month);
        case 'y':
            return two(d.year % 100);
        case 'Y':
            return format(bare ? "%d" : "%04d", d.year);
        case 'b':
        case 'h':
            return month.substr(0, 3);
        case 'B':
            return month;
        case 'a':
            return day.substr(0, 3);
        case 'A':
            return day;
        case 'F':
            return format("%04d-%02d-%02d", d.year, d.month, d.day);
        case 'H':
        case 'M':
        case 'S':
            return two(0);
        case 'I':
            return std::string("12");
        case 'p':
            return std::string("AM");
        case '%':
            return std::string("%");
        default:
            return error(QL_UNSUPPORTED, "the date format '%%%c' is not supported", code);
    }
}

}  // namespace

Result<std::string> format_date(const std::string & date, std::string_view pattern) {
    QL_ASSIGN(const Date d, read_date(date));
    std::string out;
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '%' || i + 1 == pattern.size()) {
            out += pattern[i];
            continue;
        }
        const bool bare = pattern[i + 1] == '-' && i + 2 < pattern.size();
        QL_ASSIGN(const std::string part, date_part(d, pattern[i += bare ? 2 : 1], bare));
        out += part;
    }
    return out;
}

}  // namespace ql::jinja
