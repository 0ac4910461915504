// Resident memory by mapping (Linux: /proc/self/smaps).
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "ql/os.h"

namespace {

struct Mapping {
    uintptr_t begin = 0, end = 0;
    bool file = false;
    uint64_t resident = 0;
};

/// Calls f for each mapping of the process. Plain stdio: asking for the memory in use should not add to it.
template <typename F>
void for_each_mapping(const F & f) {
    std::FILE * smaps = std::fopen("/proc/self/smaps", "re");
    if (!smaps) return;
    Mapping mapping;
    char line[4096 + 128];
    while (std::fgets(line, sizeof line, smaps)) {
        unsigned long begin = 0, end = 0;
        int path = 0;
        unsigned long long kib = 0;
        if (std::sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &begin, &end, &path) == 2) {
            mapping = {begin, end, path > 0 && line[path] == '/', 0};
        } else if (std::sscanf(line, "Rss: %llu kB", &kib) == 1) {
            mapping.resident = kib * 1024;
            f(mapping);
        }
    }
    std::fclose(smaps);
}

}  // namespace

uint64_t ql_os_rss_without(const ql_os_block * blocks, int64_t n) {
    const auto in = [](const Mapping & m, const ql_os_block & b) {
        const auto at = reinterpret_cast<uintptr_t>(b.data);
        return at >= m.begin && at < m.end;
    };
    uint64_t sum = 0;
    for_each_mapping([&](const Mapping & m) {
        uint64_t theirs = 0;
        for (const ql_os_block * b = blocks; b && b < blocks + n; ++b)
            if (in(m, *b)) theirs += b->bytes;
        // How much of a file's blocks is resident changes with every use; what is beside them was read when it was opened.
        const uint64_t beside = m.end - m.begin - std::min<uint64_t>(m.end - m.begin, theirs);
        sum += m.file && theirs > 0 ? std::min(m.resident, beside) : m.resident - std::min(m.resident, theirs);
    });
    return sum;
}
