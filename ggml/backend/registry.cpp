// The one list of backends of the process, filled at first use: the shared objects, then the built-in ones.
#include "ggml/backend/registry.hpp"

#include <charconv>
#include <string_view>

#include "ggml/core/os/library.hpp"

namespace ql {
namespace {

/// The device "kind:number", or the first one of "kind".
Result<DeviceAddress> numbered(const FoundBackend & found, std::string_view name) {
    const std::string text(name);
    const char * kind = found.backend->name;
    const size_t n = found.devices().size();
    if (n == 0) return error(QL_NOT_FOUND, "device '%s': %s", text.c_str(), found.trouble().c_str());
    size_t number = 0;
    if (const size_t colon = name.find(':'); colon != name.npos) {
        const char *first = name.data() + colon + 1, *end = name.data() + name.size();
        const auto [stop, trouble] = std::from_chars(first, end, number);
        if (trouble != std::errc() || stop != end)
            return error(QL_NOT_FOUND, "device '%s': '%s:' is followed by a number, as in %s:0", text.c_str(), kind,
                         kind);
    }
    if (number < n) return DeviceAddress{found.backend, number};
    return error(QL_NOT_FOUND, "device '%s': there %s %zu of them, the last is %s:%zu", text.c_str(),
                 n == 1 ? "is" : "are", n, kind, n - 1);
}

FoundBackend examine(const os::Library & library) {
    if (!library.handle) return {nullptr, library.path, library.trouble};
    const auto entry = reinterpret_cast<BackendEntry>(library.symbol(kBackendEntry));
    const Backend * backend = entry ? entry() : nullptr;
    if (!backend || backend->version != kBackendVersion)
        return {nullptr, library.path, "was built for another version"};
    return {backend, library.path, ""};
}

std::vector<FoundBackend> find_all() {
    std::vector<FoundBackend> found;
    for (const os::Library & library : os::find_libraries("libql-backend-", "QL_BACKEND_PATH"))
        found.push_back(examine(library));
    for (const Backend * backend : builtin_backends()) found.emplace_back(backend, "", "");
    return found;
}

}  // namespace

struct FoundBackend::Asked {
    std::once_flag once;
    std::vector<FoundDevice> devices;
    std::string trouble;
};

FoundBackend::FoundBackend(const Backend * backend, std::string path, std::string refused)
    : backend(backend), path(std::move(path)), refused(std::move(refused)), asked_(std::make_shared<Asked>()) {}

const FoundBackend::Asked & FoundBackend::asked() const {
    std::call_once(asked_->once, [&] {
        if (!backend) return;
        const Status status = backend->enumerate(asked_->devices);
        if (!status.ok()) asked_->devices.clear();
        if (asked_->devices.empty())
            asked_->trouble = status.ok() ? std::string(backend->name) + " found no device" : status.message();
    });
    return *asked_;
}

const std::vector<FoundDevice> & FoundBackend::devices() const {
    return asked().devices;
}
const std::string & FoundBackend::trouble() const {
    return asked().trouble;
}

std::span<const FoundBackend> found_backends() {
    static const std::vector<FoundBackend> list = find_all();  // the one singleton: what is loaded stays loaded
    return list;
}

Result<DeviceAddress> find_device(const char * name) {
    const std::string_view asked(name), kind = asked.substr(0, asked.find(':'));
    std::string known, refused;
    for (const FoundBackend & found : found_backends()) {
        if (!found.backend) {
            refused += "; " + found.path + " " + found.refused;
            continue;
        }
        if (kind == found.backend->name) return numbered(found, asked);
        known += (known.empty() ? "" : ", ") + std::string(found.backend->name);
    }
    return error(QL_NOT_FOUND, "device '%s': no such backend here; found: %s%s", name, known.c_str(), refused.c_str());
}

}  // namespace ql
