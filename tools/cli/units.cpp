#include "tools/cli/units.hpp"

#include <charconv>
#include <cmath>

#include "common/sizes.hpp"
#include "ql/status.hpp"

namespace ql::cli {

std::string print_size(uint64_t bytes) {
    return size_with_unit(bytes);
}

std::optional<uint64_t> parse_size(const std::string & text) {
    static constexpr struct {
        const char * name;
        double bytes;
    } kUnits[] = {{"", 1},       {"B", 1},        {"K", 1024.0},   {"KiB", 1024.0}, {"KB", 1e3},
                  {"M", 0x1p20}, {"MiB", 0x1p20}, {"MB", 1e6},     {"G", 0x1p30},   {"GiB", 0x1p30},
                  {"GB", 1e9},   {"T", 0x1p40},   {"TiB", 0x1p40}, {"TB", 1e12}};
    const size_t end = text.find_first_not_of("0123456789.");
    const std::string digits = text.substr(0, end);
    double number = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ptr != digits.data() + digits.size())
        return std::nullopt;
    std::string unit = end == text.npos ? "" : text.substr(end);
    unit.erase(0, unit.find_first_not_of(' '));
    for (const auto & [name, bytes] : kUnits)
        if (unit == name && number * bytes >= 1 && number * bytes < 0x1p63)
            return static_cast<uint64_t>(number * bytes);
    return std::nullopt;
}

std::string print_time(double seconds) {
    if (!(seconds >= 0) || seconds > 1e9) return "-";
    const auto s = static_cast<long long>(seconds + 0.5);
    if (s < 60) return format("%lld s", s);
    if (s < 3600) return format("%lld:%02lld", s / 60, s % 60);
    return format("%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
}

std::string print_duration(double seconds) {
    if (!(seconds >= 0 && seconds < 9.95)) return print_time(seconds);
    return seconds < 0.0995 ? format("%.0f ms", seconds * 1000) : format("%.1f s", seconds);
}

std::string print_count(int64_t n) {
    std::string digits = format("%lld", static_cast<long long>(n));
    for (auto i = static_cast<int64_t>(digits.size()) - 3; i > (n < 0 ? 1 : 0); i -= 3)
        digits.insert(static_cast<size_t>(i), ",");
    return digits;
}

std::string print_number(double value, int digits) {
    return std::isfinite(value) ? format("%.*f", digits, value) : "-";
}

}  // namespace ql::cli
