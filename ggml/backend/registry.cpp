// The one list of backends of the process, filled at first use: the shared objects, then the built-in ones.
#include "ggml/backend/registry.hpp"

#include <string_view>

#include "ggml/core/os/library.hpp"

namespace ql {
namespace {

FoundBackend examine(const os::Library & library) {
    if (!library.handle) return {nullptr, library.path, library.trouble};
    const auto entry = reinterpret_cast<BackendEntry>(library.symbol(kBackendEntry));
    const Backend * backend = entry ? entry() : nullptr;
    if (!backend || backend->version != kBackendVersion)
        return {nullptr, library.path, "was built for another version"};
    return {backend, library.path};
}

std::vector<FoundBackend> find_all() {
    std::vector<FoundBackend> found;
    for (const os::Library & library : os::find_libraries("libql-backend-", "QL_BACKEND_PATH"))
        found.push_back(examine(library));
    for (const Backend * backend : builtin_backends()) found.push_back({backend});
    return found;
}

}  // namespace

std::span<const FoundBackend> found_backends() {
    static const std::vector<FoundBackend> list = find_all();  // the one singleton: what is loaded stays loaded
    return list;
}

Result<const Backend *> find_backend(const char * device_name) {
    const std::string_view name(device_name);
    const std::string_view kind = name.substr(0, name.find(':'));
    std::string known, refused;
    for (const FoundBackend & found : found_backends()) {
        if (!found.backend) {
            refused += "; " + found.path + " " + found.refused;
            continue;
        }
        if (kind == "auto" || kind == found.backend->name) return found.backend;
        known += (known.empty() ? "" : ", ") + std::string(found.backend->name);
    }
    return error(QL_NOT_FOUND, "device '%s': no such backend here; found: %s%s", device_name, known.c_str(),
                 refused.c_str());
}

}  // namespace ql
