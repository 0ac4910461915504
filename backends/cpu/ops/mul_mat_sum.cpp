// y = (r +) sum_i s_i (W_i x_i or W_i^T x_i).
#include "backends/cpu/ops/product_operands.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

/// The terms of a node, with or without addresses.
class Terms {
  public:
    Terms(const Node & node, const void * const * src) {
        const auto params = node.params.as<MulMatSumParams>();
        for (size_t i = 1; i + 1 < node.src.size(); i += 2, ++n_)
            list_[n_] = product_at(node, src, i, params.transposed >> n_ & 1 ? Side::backward : Side::forward,
                                   params.scale[n_]);
    }
    ProductSum sum(const Node & n, void * c, const float * add) const {
        return {{list_.data(), n_}, n.src[2]->ne(1), c, add, n.out[0]->dtype == QL_BF16};
    }

  private:
    std::array<Product, kMaxTerms> list_;
    size_t n_ = 0;
};
static_assert(kMaxTerms == kMulMatSumTerms);

size_t scratch_mul_mat_sum(const Node & n, const DeviceImpl & device) {
    const Terms terms(n, nullptr);
    return product_scratch(terms.sum(n, nullptr, nullptr), cpu_of(device));
}

Status launch_mul_mat_sum(const Launch & l) {
    const Terms terms(l.node, l.src);
    multiply(device_of(l), terms.sum(l.node, l.out[0], l.x(0)), l.scratch);
    return {};
}

bool reads_bf16_mul_mat_sum(const Node & n, size_t source) {
    return product_reads_bf16(n, source, 2);
}

}  // namespace

const Kernel kernel::mul_mat_sum = {.launch = launch_mul_mat_sum,
                                    .scratch = scratch_mul_mat_sum,
                                    .reads_bf16 = reads_bf16_mul_mat_sum,
                                    .writes_bf16 = product_writes_bf16};
}  // namespace ql::cpu
