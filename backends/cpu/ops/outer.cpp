// G = x y^T: the backward product of "weight" x [k, T] with y transposed, which the f32 product takes as strides.
#include "backends/cpu/products/product.hpp"

namespace ql::cpu {
namespace {

size_t scratch(const Node &, const DeviceImpl & device) {
    return gemm_scratch(cpu_of(device).pool);
}

Status launch(const Launch & l) {
    const int64_t k = l.in(0).ne(0), m = l.in(1).ne(0), tokens = l.in(0).ne(1);
    const Term<float> term[] = {{f32_weight(l.x(0), k, tokens), Side::backward, l.x(1), 1, m}};
    gemm(device_of(l).pool, GemmF32{term, m, l.y(0), k}, l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::outer = {launch, scratch};
}  // namespace ql::cpu
