// Runs kernels that know only f32 on nodes with tensors held in bf16: these tensors stand in scratch as f32 while the
// kernel runs. For devices where AMX multiplies bf16 but vectors do not, and for numbers that are not finite.
//
// Traffic: 6 bytes for each number that is held in bf16, in pieces over the threads.
#pragma once
#include "backends/cpu/device.hpp"

namespace ql::cpu {

using F32Kernel = Status (*)(const Launch &);

/// What run_in_f32 needs of scratch for a kernel that needs `kernel_scratch`.
size_t in_f32_scratch(const Node & n, size_t kernel_scratch);

/// The kernel sees a node whose types are not those of its addresses, which are all of f32.
Status run_in_f32(const Launch & l, F32Kernel kernel, size_t kernel_scratch);

}  // namespace ql::cpu
