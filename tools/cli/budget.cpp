#include "tools/cli/budget.hpp"

#include <optional>
#include <sstream>

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

/// Of `part`, which says "cpu=6GiB".
uint64_t parse_part(const std::string & part, const std::string & all) {
    const size_t equals = part.find('=');
    const std::string device = equals == part.npos ? "cpu" : part.substr(0, equals);
    if (const std::string backend = device.substr(0, device.find(':')); backend != "cpu")
        bad_input(is_built(backend) ? "--memory: '%s' takes no budget so far, only cpu does"
                                    : "--memory: there is no backend '%s' here; write cpu=6GiB",
                  backend.c_str());
    if (device != "cpu") bad_input("--memory: '%s': there is one cpu; write cpu=6GiB", device.c_str());
    const auto bytes = parse_size(equals == part.npos ? part : part.substr(equals + 1));
    if (!bytes) bad_input("--memory: '%s' is no size; write 300MiB, 6GiB, or cpu=6GiB", all.c_str());
    return *bytes;
}

}  // namespace

uint64_t parse_budget(const std::string & text) {
    std::istringstream parts(text);
    std::optional<uint64_t> bytes;
    for (std::string part; std::getline(parts, part, ',');) {
        const uint64_t given = parse_part(part, text);
        if (bytes) bad_input("--memory: '%s' says twice what the cpu may take", text.c_str());
        bytes = given;
    }
    if (!bytes) bad_input("--memory: the size is empty; write 300MiB, 6GiB, or cpu=6GiB");
    return *bytes;
}

}  // namespace ql::cli
