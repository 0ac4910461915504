// y = (r +) sum_i s_i (W_i x_i or W_i^T x_i).
#include "backends/cpu/products/product.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cpu {
namespace {

/// The terms of a node, with or without addresses.
struct Terms {
    std::array<Product, kMaxTerms> list;
    size_t n = 0;

    Terms(const Node & node, const void * const * src) {
        const auto params = node.params.as<MulMatSumParams>();
        for (size_t i = 1; i + 1 < node.src.size(); i += 2, ++n)
            list[n] = {weight_of(*node.src[i], src ? src[i] : nullptr),
                       params.transposed >> n & 1 ? Side::backward : Side::forward,
                       src ? static_cast<const float *>(src[i + 1]) : nullptr, params.scale[n]};
    }
    std::span<const Product> products() const { return {list.data(), n}; }
};
static_assert(kMaxTerms == kMulMatSumTerms);

size_t scratch(const Node & n, const DeviceImpl & device) {
    const Terms terms(n, nullptr);
    return product_scratch({terms.products(), n.src[2]->ne(1)}, cpu_of(device));
}

Status launch(const Launch & l) {
    const Terms terms(l.node, l.src);
    multiply(device_of(l), {terms.products(), l.in(2).ne(1), l.y(0), l.x(0)}, l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::mul_mat_sum = {launch, scratch};
}  // namespace ql::cpu
