#include "tools/cli/scaled_path.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>

#include "tools/cli/stop.hpp"

namespace ql::cli {

ScaledPath parse_scaled_path(const std::string & option, const std::string & spec) {
    const size_t colon = spec.rfind(':');
    std::error_code ec;
    if (colon == spec.npos || colon + 1 == spec.size() || std::filesystem::exists(spec, ec)) return {spec, 1.0f};
    const char * const end = spec.data() + spec.size();
    float scale = 0;
    const auto read = std::from_chars(spec.data() + colon + 1, end, scale);
    if (read.ptr != end) {
        if (std::filesystem::exists(spec.substr(0, colon), ec))
            bad_input("%s: '%s' is no scale of %s; write a number, as in :0.5", option.c_str(),
                      spec.c_str() + colon + 1, spec.substr(0, colon).c_str());
        return {spec, 1.0f};
    }
    if (read.ec != std::errc() || !std::isfinite(scale) || std::fabs(scale) > 1000)
        bad_input("%s: scale %s is out of range; -1000 to 1000 are possible", option.c_str(), spec.c_str() + colon + 1);
    return {spec.substr(0, colon), scale};
}

}  // namespace ql::cli
