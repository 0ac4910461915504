// The kernels of the formats of k_blocks.cuh.
#include "backends/cuda/formats/k_blocks.cuh"

#include "backends/cuda/formats/lists.hpp"
#include "backends/cuda/products/kernels.cuh"

namespace ql::cuda {
namespace {

constexpr FormatKernels kRows[] = {kernels_of<DecodeScaledCodes<QL_Q4_K, false>>,
                                   kernels_of<DecodeScaledCodes<QL_Q5_K, true>>, kernels_of<DecodeQ6_K>,
                                   kernels_of<DecodeQ3_K>, kernels_of<DecodeQ2_K>};

}  // namespace

std::span<const FormatKernels> k_blocks_formats() {
    return kRows;
}

}  // namespace ql::cuda
