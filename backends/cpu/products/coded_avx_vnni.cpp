// coded_vnni.inl with vectors of 256 bits: AVX-VNNI, which processors without AVX-512 have.
#include "backends/cpu/products/coded_ymm.inl"
#include "backends/cpu/products/vnni.hpp"

namespace ql::cpu {

constinit const CodedKernels kAvxVnni = vnni_kernels_of<Ymm>();

}  // namespace ql::cpu
