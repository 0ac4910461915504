// Where the Vulkan backend for tests is, and whether there is a device: named in the environment before the engine first
// looks for backends. The validation layers watch; their first message is an error of the next wait.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "ggml/backend/registry.hpp"
#include "support/conformance.hpp"

namespace ql::vulkan {

inline constexpr const char * kWatched = "validate=1,cache=off";

inline const bool vulkan_is_named =
    setenv("QL_BACKEND_PATH", QL_VULKAN_FOLDER, 1) == 0 && setenv("QL_VULKAN", kWatched, 1) == 0;

/// "", or why there is none.
inline std::string no_device() {
    const auto found = find_device("vulkan");
    return found.ok() ? "" : found.message();
}

inline ql_device_options options_of(ql_compute compute = QL_COMPUTE_AUTO) {
    ql_device_options options;
    ql_device_options_init(&options);
    options.name = "vulkan";
    options.compute = compute;
    return options;
}

/// $QL_VULKAN for the devices that are opened in its scope.
class Setting {
  public:
    explicit Setting(const std::string & more) { setenv("QL_VULKAN", (kWatched + ("," + more)).c_str(), 1); }
    ~Setting() { setenv("QL_VULKAN", kWatched, 1); }
    Setting(const Setting &) = delete;
    Setting & operator=(const Setting &) = delete;
};

}  // namespace ql::vulkan

/// Where tools/test.sh says that there must be a device, its absence is an error.
#define QL_NEEDS_VULKAN()                                                     \
    if (const std::string why = ::ql::vulkan::no_device(); !why.empty()) {    \
        if (std::getenv("QL_TEST_VULKAN")) FAIL() << why;                     \
        GTEST_SKIP() << why << "; Mesa's software device, lavapipe, will do"; \
    }
