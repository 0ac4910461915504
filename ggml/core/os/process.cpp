// The process and its machine: memory, time, terminal (Linux).
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"

namespace {

/// A "Name:   123 kB" line of a file in bytes; 0: there is none. Of /proc/self/status, not getrusage: that remembers the
/// parent's peak from before exec. Plain stdio: asking for the memory in use should not add to it.
uint64_t bytes_in(const char * path, const char * name) {
    std::FILE * file = std::fopen(path, "re");
    if (!file) return 0;
    char line[256];
    unsigned long long kib = 0;
    const size_t length = std::strlen(name);
    while (std::fgets(line, sizeof line, file)) {
        if (std::strncmp(line, name, length) != 0 || line[length] != ':') continue;
        if (std::sscanf(line + length + 1, "%llu", &kib) != 1) kib = 0;
        break;
    }
    std::fclose(file);
    return kib * 1024;
}

/// A number that a file of the process's control group begins with, or that follows `name` at the beginning of a line; 0: it
/// has none, or says "max".
unsigned long long group_number(const char * path, const char * name = "") {
    std::FILE * file = std::fopen(path, "re");
    if (!file) return 0;
    char line[256];
    unsigned long long number = 0;
    while (std::fgets(line, sizeof(line), file))
        if (std::strncmp(line, name, std::strlen(name)) == 0 &&
            std::sscanf(line + std::strlen(name), "%llu", &number) == 1)
            break;
    std::fclose(file);
    return number;
}

}  // namespace

uint64_t ql_os_peak_rss(void) {
    return bytes_in("/proc/self/status", "VmHWM");
}
uint64_t ql_os_rss(void) {
    return bytes_in("/proc/self/status", "VmRSS");
}

uint64_t ql_os_available_memory(void) {
    const uint64_t machine = bytes_in("/proc/meminfo", "MemAvailable");
    const uint64_t most = group_number("/sys/fs/cgroup/memory.max");
    if (most == 0) return machine;
    const uint64_t used = group_number("/sys/fs/cgroup/memory.current");
    const uint64_t cached = group_number("/sys/fs/cgroup/memory.stat", "file ");  // what the system may take back
    const uint64_t held = used > cached ? used - cached : 0, group = most > held ? most - held : 0;
    return machine > 0 ? std::min<uint64_t>(machine, group) : group;
}

uint64_t ql_os_memory(void) {
    const long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(size) : 0;
}

double ql_os_seconds(void) {
    struct timespec now = {};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

int ql_os_is_terminal(int stream, int * columns) {
    struct winsize size = {};
    const bool known = ::ioctl(stream, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    if (columns) *columns = known ? size.ws_col : 80;
    return ::isatty(stream) ? 1 : 0;
}
