#include "cpu/coded_ymm.hpp"

#if defined(__AVX512VNNI__)
#include "backends/cpu/products/coded_ymm.inl"

namespace ql::cpu {
namespace {
constinit const CodedKernels kYmm = vnni_kernels_of<Ymm>();
}
const CodedKernels * ymm_kernels() {
    return &kYmm;
}
}  // namespace ql::cpu

#else

namespace ql::cpu {
const CodedKernels * ymm_kernels() {
    return nullptr;
}
}  // namespace ql::cpu
#endif
