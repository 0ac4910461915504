#include "tools/cli/units.hpp"

#include <cmath>

#include "ql/status.hpp"

namespace ql::cli {

std::string print_size(uint64_t bytes) {
    static const char * const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    int i = 0;
    while (value >= 1024 && i < 4) value /= 1024, ++i;
    const int digits = i == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return format("%.*f %s", digits, value, units[i]);
}

std::string print_time(double seconds) {
    if (!(seconds >= 0) || seconds > 1e9) return "-";
    const auto s = static_cast<long long>(seconds + 0.5);
    if (s < 60) return format("%lld s", s);
    if (s < 3600) return format("%lld:%02lld", s / 60, s % 60);
    return format("%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
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
