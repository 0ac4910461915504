// The kernels of the formats of blocks.cuh.
#include "backends/cuda/formats/blocks.cuh"

#include "backends/cuda/formats/lists.hpp"
#include "backends/cuda/products/kernels.cuh"

namespace ql::cuda {
namespace {

constexpr FormatKernels kRows[] = {kernels_of<DecodeQ8_0>,
                                   kernels_of<DecodeCodes<QL_Q4_0, false, false>>,
                                   kernels_of<DecodeCodes<QL_Q4_1, false, true>>,
                                   kernels_of<DecodeCodes<QL_Q5_0, true, false>>,
                                   kernels_of<DecodeCodes<QL_Q5_1, true, true>>,
                                   kernels_of<DecodeIq4Nl>,
                                   kernels_of<DecodeMxfp4>};

}  // namespace

std::span<const FormatKernels> blocks_formats() {
    return kRows;
}

}  // namespace ql::cuda
