// y = M x: mul_mat's kernel, for A and B have a part in the gradient alone.
#include "backends/cpu/ops/product_operands.hpp"

namespace ql::cpu {
namespace {

ProductSum sum_of_mul_mat_merged(const Node & n, const Product & p, void * c) {
    return {{&p, 1}, n.src[1]->ne(1), c, nullptr, n.out[0]->dtype == QL_BF16};
}

size_t scratch_mul_mat_merged(const Node & n, const DeviceImpl & device) {
    return product_scratch(sum_of_mul_mat_merged(n, product_at(n, nullptr, 0, Side::forward), nullptr), cpu_of(device));
}

Status launch_mul_mat_merged(const Launch & l) {
    const Product p = product_at(l.node, l.src, 0, Side::forward);
    multiply(device_of(l), sum_of_mul_mat_merged(l.node, p, l.out[0]), l.scratch);
    return {};
}

bool reads_bf16_mul_mat_merged(const Node & n, size_t source) {
    return source == 1 && product_reads_bf16(n, source, 1);
}

}  // namespace

const Kernel kernel::mul_mat_merged = {.launch = launch_mul_mat_merged,
                                       .scratch = scratch_mul_mat_merged,
                                       .reads_bf16 = reads_bf16_mul_mat_merged,
                                       .writes_bf16 = product_writes_bf16};
}  // namespace ql::cpu
