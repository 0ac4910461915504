// Operators without a kernel here, and why: their nodes run on the CPU.
#include "backends/cuda/device.hpp"

namespace ql::cuda {

const Kernel kernel::adamw8bit = missing("states of 8 bits are encoded on the CPU");
const Kernel kernel::lion8bit = missing("states of 8 bits are encoded on the CPU");
const Kernel kernel::lora_merge = missing("weights are encoded on the CPU");

}  // namespace ql::cuda
