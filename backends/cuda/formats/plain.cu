// The kernels of the formats of plain.cuh.
#include "backends/cuda/formats/plain.cuh"

#include "backends/cuda/formats/lists.hpp"
#include "backends/cuda/products/kernels.cuh"

namespace ql::cuda {
namespace {

constexpr FormatKernels kRows[] = {decoding_of<Plain<QL_F32>>, kernels_of<Plain<QL_F16>>, kernels_of<Plain<QL_BF16>>};

}  // namespace

std::span<const FormatKernels> plain_formats() {
    return kRows;
}

}  // namespace ql::cuda
