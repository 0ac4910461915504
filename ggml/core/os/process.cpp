// The process and its machine: memory, time, terminal (Linux).
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <limits>

#include "ggml/core/os/os.hpp"
#include "ql/os.h"

namespace {

/// A "Name:   123 kB" line of a file in bytes. Plain stdio: asking for the memory in use should not add to it.
uint64_t line_bytes(const char * path, const char * name) {
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

/// Not getrusage: that remembers the parent's peak from before exec.
uint64_t status_bytes(const char * name) {
    return line_bytes("/proc/self/status", name);
}

/// The limit of the container that the process runs in; the largest number: none is known.
uint64_t container_limit() {
    unsigned long long bytes = 0;
    bool known = false;
    if (std::FILE * file = std::fopen("/sys/fs/cgroup/memory.max", "re")) {
        known = std::fscanf(file, "%llu", &bytes) == 1;  // else it says "max"
        std::fclose(file);
    }
    return known ? bytes : std::numeric_limits<uint64_t>::max();
}

}  // namespace

uint64_t ql::os::available_memory() {
    return std::min(line_bytes("/proc/meminfo", "MemAvailable"), container_limit());
}

uint64_t ql_os_peak_rss(void) {
    return status_bytes("VmHWM");
}
uint64_t ql_os_rss(void) {
    return status_bytes("VmRSS");
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
