// The kernels of the formats of nf4.cuh.
#include "backends/cuda/formats/nf4.cuh"

#include "backends/cuda/formats/lists.hpp"
#include "backends/cuda/products/kernels.cuh"

namespace ql::cuda {
namespace {

constexpr FormatKernels kRows[] = {kernels_of<DecodeNf4>, kernels_of<DecodeNf4Dq>};

}  // namespace

std::span<const FormatKernels> nf4_formats() {
    return kRows;
}

}  // namespace ql::cuda
