// The kernels of the formats of blocks.cuh.
#include "backends/cuda/formats/blocks.cuh"

#include "backends/cuda/formats/lists.hpp"
#include "backends/cuda/products/kernels.cuh"

namespace ql::cuda {
namespace {

constexpr FormatKernels kRows[] = {kernels_of<DecodeQ8_0>, kernels_of<DecodeQ4_0>, kernels_of<DecodeQ4_1>,
                                   kernels_of<DecodeQ5_0>, kernels_of<DecodeQ5_1>, kernels_of<DecodeIq4Nl>,
                                   kernels_of<DecodeMxfp4>};

}  // namespace

std::span<const FormatKernels> blocks_formats() {
    return kRows;
}

}  // namespace ql::cuda
