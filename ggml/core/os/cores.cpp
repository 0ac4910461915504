// How many physical cores this process may use (Linux): its affinity mask, hyper-threads counted once, and no more than
// a container's CPU quota. Two compute threads on one core's hyper-threads only take each other's registers and caches.
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "ggml/core/os/os.hpp"

namespace ql::os {
namespace {

std::string first_line(const std::string & path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// "max 100000" or "150000 100000" (microseconds a period) of cgroup v2: whole processors, rounded up; 0 for no limit.
int quota_of(const std::string & text) {
    long long quota = 0, period = 0;
    if (std::sscanf(text.c_str(), "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0) return 0;
    return static_cast<int>(std::clamp<long long>((quota + period - 1) / period, 1, 1 << 20));
}

int cpu_quota() {
    const std::string v1 = "/sys/fs/cgroup/cpu/cpu.cfs_";
    int limit = quota_of(first_line(v1 + "quota_us") + " " + first_line(v1 + "period_us"));
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        if (line.rfind("0::/", 0) != 0) continue;
        for (std::string group = line.substr(3);; group.resize(group.rfind('/'))) {  // its own limit and its parents'
            const int quota = quota_of(first_line("/sys/fs/cgroup" + group + "/cpu.max"));
            if (quota > 0) limit = limit > 0 ? std::min(limit, quota) : quota;
            if (group.empty()) break;
        }
    }
    return limit;
}

}  // namespace

std::vector<int> allowed_processors() {
    std::vector<int> processors;
    for (int size = 1024; size <= 1 << 16; size *= 4) {  // the system refuses a mask smaller than its own
        cpu_set_t * set = CPU_ALLOC(size);
        if (!set) break;
        const size_t bytes = CPU_ALLOC_SIZE(size);
        CPU_ZERO_S(bytes, set);
        const bool known = ::sched_getaffinity(0, bytes, set) == 0;
        for (int i = 0; known && i < size; i++)
            if (CPU_ISSET_S(i, bytes, set)) processors.push_back(i);
        CPU_FREE(set);
        if (known) break;
    }
    return processors;
}

int count_cores(const std::vector<int> & processors, const std::string & cpu_folder) {
    std::set<std::string> cores;
    for (const int processor : processors) {
        const std::string topology = cpu_folder + "/cpu" + std::to_string(processor) + "/topology/";
        std::string siblings = first_line(topology + "core_cpus_list");
        if (siblings.empty()) siblings = first_line(topology + "thread_siblings_list");  // its older name
        cores.insert(siblings.empty() ? "cpu" + std::to_string(processor) : siblings);
    }
    return static_cast<int>(cores.size());
}

int physical_cores() {
    const std::vector<int> processors = allowed_processors();
    int cores = processors.empty() ? static_cast<int>(std::thread::hardware_concurrency())
                                   : count_cores(processors, "/sys/devices/system/cpu");
    const int quota = cpu_quota();
    if (quota > 0) cores = std::min(cores, quota);
    return std::max(cores, 1);
}

}  // namespace ql::os
