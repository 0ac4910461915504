#include "tools/cli/budget.hpp"

#include <cstdlib>
#include <sstream>
#include <vector>

#include "ql/ql.hpp"
#include "tools/cli/stop.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

bool is_built(const std::string & backend) {
    ql_backend_info info{sizeof(info)};
    for (int64_t i = 0; i < ql_backend_count(); ++i)
        if (ql_backend_describe(i, &info) == QL_OK && backend == info.name && !*info.refused) return true;
    return false;
}

/// "vulkan" is "vulkan:0".
std::string numbered(const std::string & device) {
    return device == "vulkan" ? "vulkan:0" : device;
}

struct Budget {
    std::string device;
    uint64_t bytes;
};

/// Of `part`, which says "cpu=6GiB".
Budget parse_part(const std::string & part, const std::string & all) {
    const size_t equals = part.find('=');
    const std::string device = equals == part.npos ? "cpu" : part.substr(0, equals);
    const std::string backend = device.substr(0, device.find(':'));
    if (backend != "cpu" && (backend != "vulkan" || !is_built(backend)))
        bad_input(is_built(backend) ? "--memory: '%s' takes no budget so far, only cpu and vulkan do"
                                    : "--memory: there is no backend '%s' here; write cpu=6GiB",
                  backend.c_str());
    if (backend == "cpu" && device != "cpu")
        bad_input("--memory: '%s': there is one cpu; write cpu=6GiB", device.c_str());
    const auto bytes = parse_size(equals == part.npos ? part : part.substr(equals + 1));
    if (!bytes) bad_input("--memory: '%s' is no size; write 300MiB, 6GiB, or cpu=6GiB", all.c_str());
    return {numbered(device), *bytes};
}

/// In their order, each device once.
std::vector<Budget> parse_parts(const std::string & text) {
    std::istringstream parts(text);
    std::vector<Budget> budgets;
    for (std::string part; std::getline(parts, part, ',');) {
        const Budget given = parse_part(part, text);
        for (const Budget & other : budgets)
            if (other.device == given.device)
                bad_input("--memory: '%s' says twice what the %s may take", text.c_str(), given.device.c_str());
        budgets.push_back(given);
    }
    if (budgets.empty()) bad_input("--memory: the size is empty; write 300MiB, 6GiB, or cpu=6GiB");
    return budgets;
}

bool has_device(const std::string & devices, const std::string & wanted) {
    std::istringstream names(devices);
    for (std::string name; std::getline(names, name, ',');)
        if (numbered(name) == wanted) return true;
    return false;
}

}  // namespace

uint64_t parse_budget(const std::string & text) {
    for (const Budget & b : parse_parts(text))
        if (b.device == "cpu") return b.bytes;
    return 0;
}

void limit_devices(const std::string & text, const std::string & devices) {
    for (const auto & [device, bytes] : parse_parts(text)) {
        if (device == "cpu") continue;
        if (!has_device(devices, device))
            bad_input("--memory: %s is none of the devices of --device %s", device.c_str(), devices.c_str());
        const char * before = std::getenv("QL_VULKAN");
        const std::string settings = before && *before ? std::string(before) + "," : "";
        const std::string number = device.substr(device.find(':') + 1);
        setenv("QL_VULKAN", (settings + "memory:" + number + "=" + std::to_string(bytes)).c_str(), 1);
    }
}

}  // namespace ql::cli
