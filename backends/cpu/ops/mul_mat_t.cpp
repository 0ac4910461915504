// z = W^T y.
#include "backends/cpu/products/product.hpp"

namespace ql::cpu {
namespace {

size_t scratch(const Node & n, const DeviceImpl & device) {
    const Product p{weight_of(*n.src[0], nullptr), Side::backward};
    return product_scratch({{&p, 1}, n.src[1]->ne(1)}, cpu_of(device));
}

Status launch(const Launch & l) {
    const Product p{weight_of(l.in(0), l.src[0]), Side::backward, l.x(1)};
    multiply(device_of(l), {{&p, 1}, l.in(1).ne(1), l.y(0)}, l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::mul_mat_t = {launch, scratch};
}  // namespace ql::cpu
