// The formats with kernels, by the file that has them.
#pragma once
#include <span>

#include "backends/cuda/products/product.hpp"

namespace ql::cuda {

std::span<const FormatKernels> plain_formats();
std::span<const FormatKernels> nf4_formats();
std::span<const FormatKernels> blocks_formats();
std::span<const FormatKernels> k_blocks_formats();

}  // namespace ql::cuda
