// How many threads of the CPU work: asked for, or $QL_THREADS, or the physical cores.
#pragma once
#include <cstdlib>

#include "ql/os.h"
#include "ql/status.hpp"

namespace ql {

/// asked    0: $QL_THREADS, or the physical cores
inline Result<int> choose_threads(int64_t asked) {
    const char * forced = std::getenv("QL_THREADS");
    if (asked == 0 && forced && *forced) {
        char * end = nullptr;
        const long value = std::strtol(forced, &end, 10);
        if (*end || value < 1)
            return error(QL_INVALID_ARGUMENT, "QL_THREADS=%s: a number of at least 1 is needed", forced);
        asked = value > 1 << 20 ? 1 << 20 : value;
    }
    if (asked == 0) return ql_os_physical_cores();
    if (asked < 1 || asked > 1024)
        return error(QL_INVALID_ARGUMENT, "threads: 1 to 1024 are possible, got %lld", static_cast<long long>(asked));
    return static_cast<int>(asked);
}

}  // namespace ql
