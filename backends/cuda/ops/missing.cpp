// Operators without a kernel here, and why. Their nodes run on the CPU, or, where they change what lies on the card, not at
// all.
#include "backends/cuda/device.hpp"

namespace ql::cuda {

const Kernel kernel::lora_merge = missing("no CUDA kernel encodes weights");

}  // namespace ql::cuda
