#include "backends/vulkan/settings.hpp"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace ql::vulkan {
namespace {

constexpr const char * kKnown =
    "validate=1, cache=FOLDER, cache=off, memory:I=N, piece=N, counts=FILE, alloc=N, submit=N, lost=N, shader=NAME, "
    "loader=none, "
    "devices=none, subgroups=none, shared=N, below=1";

/// 0: it is no number above 0.
long number_in(const std::string & text) {
    long n = 0;
    const char * end = text.data() + text.size();
    const auto [stop, trouble] = std::from_chars(text.data(), end, n);
    return trouble == std::errc() && stop == end && n > 0 ? n : 0;
}

}  // namespace

Status Settings::set(const std::string & name, const std::string & value) {
    const auto is = [&](const char * wanted, const char * only) { return name == wanted && value == only; };
    if (is("validate", "1")) return validate = true, Status();
    if (is("loader", "none")) return no_loader = true, Status();
    if (is("devices", "none")) return no_devices = true, Status();
    if (is("subgroups", "none")) return no_subgroups = true, Status();
    if (is("below", "1")) return below = true, Status();
    if (name == "cache" && !value.empty()) return cache = value, Status();
    if (name == "counts" && !value.empty()) return counts = value, Status();
    if (name == "shader" && !value.empty()) return shader = value, Status();
    const long n = number_in(value);
    if (constexpr std::string_view kMemory = "memory:"; name.starts_with(kMemory) && n) {
        const std::string device = name.substr(kMemory.size());
        const long number = device == "0" ? 0 : number_in(device);
        if (device == "0" || number) return memory[static_cast<size_t>(number)] = static_cast<size_t>(n), Status();
    }
    if (name == "piece" && n) return piece = static_cast<double>(n), Status();
    if (name == "shared" && n) return shared = static_cast<uint32_t>(n), Status();
    if (name == "alloc" && n) return alloc.set(n), Status();
    if (name == "submit" && n) return submit.set(n), Status();
    if (name == "lost" && n) return lost.set(n), Status();
    return error(QL_INVALID_ARGUMENT, "QL_VULKAN: '%s=%s' is unknown; %s", name.c_str(), value.c_str(), kKnown);
}

Result<Settings> Settings::from_environment() {
    Settings settings;
    const char * text = std::getenv("QL_VULKAN");
    std::string_view rest(text ? text : "");
    while (!rest.empty()) {
        const std::string item(rest.substr(0, rest.find(',')));
        rest.remove_prefix(std::min(rest.size(), item.size() + 1));
        const size_t equals = std::min(item.find('='), item.size());
        QL_TRY(settings.set(item.substr(0, equals), equals < item.size() ? item.substr(equals + 1) : ""));
    }
    return settings;
}

}  // namespace ql::vulkan
