// Operators without a kernel here, and why. Their nodes run on the CPU, or, where they change what lies on the device, not
// at all.
#include "backends/vulkan/device.hpp"

namespace ql::vulkan {

const Kernel kernel::lora_merge = missing("no Vulkan kernel encodes weights");
const Kernel kernel::rope_table = missing("angles are computed in f64, which a device need not have");
const Kernel kernel::adamw8bit = missing("no Vulkan kernel encodes states of 8 bits");
const Kernel kernel::lion8bit = missing("no Vulkan kernel encodes states of 8 bits");

}  // namespace ql::vulkan
