// The process and its machine: memory, time, terminal (Linux).
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ctime>

#include "ql/os.h"

namespace {

/// A "Name:   123 kB" line of /proc/self/status in bytes. Not getrusage: that remembers the parent's peak from before
/// exec. Plain stdio: asking for the memory in use should not add to it.
uint64_t status_bytes(const char * name) {
    std::FILE * file = std::fopen("/proc/self/status", "re");
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

}  // namespace

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
