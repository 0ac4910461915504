// y = W x.
#include "backends/cpu/products/product.hpp"

namespace ql::cpu {
namespace {

Product product_of(const Node & n, const void * w) {
    return {weight_of(*n.src[0], w), Side::forward, n.src[1]->ne(1)};
}

size_t scratch(const Node & n, const DeviceImpl & device) {
    return product_scratch(product_of(n, nullptr), cpu_of(device));
}

Status launch(const Launch & l) {
    multiply(device_of(l), product_of(l.node, l.src[0]), l.x(1), l.y(0), l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::mul_mat = {launch, scratch};
}  // namespace ql::cpu
