#include "models/base/date.hpp"

#include <algorithm>
#include <ctime>

namespace ql {
namespace {

int days_of(int year, int month) {
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return lengths[month - 1] + (month == 2 && leap);
}

/// True if text[begin, begin + n) is digits alone: "+202" and " 202" are not.
bool read_digits(std::string_view text, size_t begin, size_t n, int & value) {
    value = 0;
    for (const char c : text.substr(begin, n)) {
        if (c < '0' || c > '9') return false;
        value = 10 * value + (c - '0');
    }
    return true;
}

/// 0 is Sunday.                                                                                      (Sakamoto's rule)
int weekday(const Date & d) {
    static const int offsets[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
    const int y = d.month < 3 ? d.year - 1 : d.year;
    return (y + y / 4 - y / 100 + y / 400 + offsets[d.month - 1] + d.day) % 7;
}

int day_of_year(const Date & d) {
    int n = d.day;
    for (int month = 1; month < d.month; ++month) n += days_of(d.year, month);
    return n;
}

/// What strftime's %code stands for; bare: %-code, without leading zeros.
Result<std::string> date_part(const Date & d, char code, bool bare) {
    static const char * const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                          "July",    "August",   "September", "October", "November", "December"};
    static const char * const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
    const auto padded = [&](int n, int width) { return format("%0*d", bare ? 1 : width, n); };
    const std::string month = months[d.month - 1], day = days[weekday(d)];
    switch (code) {
        case 'd':
            return padded(d.day, 2);
        case 'e':
            return format(bare ? "%d" : "%2d", d.day);
        case 'm':
            return padded(d.month, 2);
        case 'y':
            return padded(d.year % 100, 2);
        case 'Y':
            return padded(d.year, 4);
        case 'j':
            return padded(day_of_year(d), 3);
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
            return date_text(d);
        case 'H':
        case 'M':
        case 'S':
            return padded(0, 2);
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

Result<Date> read_date(std::string_view text) {
    Date d;
    const bool reads = text.size() == 10 && text[4] == '-' && text[7] == '-' && read_digits(text, 0, 4, d.year) &&
                       read_digits(text, 5, 2, d.month) && read_digits(text, 8, 2, d.day);
    if (reads && d.year >= 1 && d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= days_of(d.year, d.month))
        return d;
    return error(QL_INVALID_ARGUMENT, "'%.40s' is no date; write YYYY-MM-DD", std::string(text).c_str());
}

std::string date_text(const Date & d) {
    return format("%04d-%02d-%02d", d.year, d.month, d.day);
}

Result<Date> today() {
    const std::time_t now = std::time(nullptr);
    std::tm local{};
    if (!localtime_r(&now, &local) || local.tm_year < 1 - 1900 || local.tm_year > 9999 - 1900)
        return error(QL_INTERNAL, "this machine's clock shows no day in the years 1 to 9999");
    return Date{local.tm_year + 1900, local.tm_mon + 1, local.tm_mday};
}

Result<std::string> format_date(const Date & date, std::string_view pattern) {
    std::string out;
    for (size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '%' || i + 1 == pattern.size()) {
            out += pattern[i];
            continue;
        }
        const bool bare = pattern[i + 1] == '-' && i + 2 < pattern.size();
        QL_ASSIGN(const std::string part, date_part(date, pattern[i += bare ? 2 : 1], bare));
        out += part;
    }
    return out;
}

}  // namespace ql
