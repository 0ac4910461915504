// The one list of backends of the process, filled at first use: the shared objects that open, then the built-in ones.
#include "ggml/backend/registry.hpp"

#include <mutex>
#include <string>
#include <string_view>

#include "ggml/core/os/library.hpp"

namespace ql {
namespace {

struct Registry {
    std::vector<const Backend *> backends;
    std::string refused;  // shared objects that were found but not taken, with the reason

    Registry() {
        for (const os::Library & library : os::find_libraries("libql-backend-", "QL_BACKEND_PATH")) {
            const auto entry = reinterpret_cast<BackendEntry>(library.symbol(kBackendEntry));
            const Backend * backend = entry ? entry() : nullptr;
            if (!backend || backend->version != kBackendVersion)
                refused += "; " + library.path + " was built for another version";
            else
                backends.push_back(backend);
        }
        for (const Backend * backend : builtin_backends()) backends.push_back(backend);
    }
};

const Registry & registry() {
    static const Registry instance;  // the one singleton: what is loaded stays loaded
    return instance;
}

}  // namespace

Result<const Backend *> find_backend(const char * device_name) {
    const std::string_view name(device_name);
    const std::string_view kind = name.substr(0, name.find(':'));
    std::string known;
    for (const Backend * backend : registry().backends) {
        if (kind == "auto" || kind == backend->name) return backend;
        known += (known.empty() ? "" : ", ") + std::string(backend->name);
    }
    return error(QL_NOT_FOUND, "device '%s': no such backend here; found: %s%s", device_name, known.c_str(),
                 registry().refused.c_str());
}

}  // namespace ql
