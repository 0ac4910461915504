// Sizes as people read them.
#pragma once
#include <cstdint>
#include <string>

#include "ql/status.hpp"

namespace ql {

/// "638 KiB", "1.25 GiB": three digits.
inline std::string size_with_unit(uint64_t bytes) {
    static const char * const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    int i = 0;
    while (value >= 1024 && i < 4) value /= 1024, ++i;
    const int digits = i == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    return format("%.*f %s", digits, value, units[i]);
}

}  // namespace ql
