// Vulkan's API through volk, which opens the system's loader at run time: so the backend can be there where Vulkan is not.
#pragma once
#include <volk.h>

#include "ql/status.hpp"

namespace ql::vulkan {

/// A status for what a call returned: ok, or "vulkan: CALL: what is wrong". QL_NO_MEMORY where memory is what is missing.
Status check(VkResult result, const char * call);

}  // namespace ql::vulkan
