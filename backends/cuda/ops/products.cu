// The operators that are products with a weight, and LoRA's.
#include <bit>

#include "backends/cuda/products/product.hpp"
#include "ggml/ops/params.hpp"

namespace ql::cuda {
namespace {

Product product_at(const Launch & l, int w, int x, bool transposed) {
    return {.w = weight_of(l.in(w), l.src[w]),
            .dtype = l.in(w).dtype,
            .transposed = transposed,
            .x = l.x(x),
            .n_tokens = l.in(x).ne(1),
            .y = l.y(0)};
}

// mul_mat, mul_mat_t, mul_mat_merged (whose A and B are the gradient's alone)

Status accepts_first(const Node & n, const DeviceImpl &) {
    return expect_format(*n.src[0]);
}
size_t scratch_of_first(const Node & n, const DeviceImpl & device) {
    return product_scratch(*n.src[0], device);
}
template <bool transposed>
Status mul_mat(const Launch & l) {
    return multiply(l, product_at(l, 0, 1, transposed), l.scratch);
}

// mul_mat_sum: sources r (or none), W_0, x_0, W_1, x_1 ...

Status accepts_terms(const Node & n, const DeviceImpl &) {
    for (size_t i = 1; i < n.src.size(); i += 2) QL_TRY(expect_format(*n.src[i]));
    return {};
}
size_t scratch_of_terms(const Node & n, const DeviceImpl & device) {
    size_t most = 0;
    for (size_t i = 1; i < n.src.size(); i += 2) most = std::max(most, product_scratch(*n.src[i], device));
    return most;
}
Status mul_mat_sum(const Launch & l) {
    const auto params = l.params<MulMatSumParams>();
    const float * add = l.has(0) ? l.x(0) : nullptr;
    for (int i = 1, term = 0; i < static_cast<int>(l.node.src.size()); i += 2, ++term) {
        Product p = product_at(l, i, i + 1, params.transposed >> term & 1);
        p.add = add, p.scale = params.scale[term];
        QL_TRY(multiply(l, p, l.scratch));
        add = p.y;
    }
    return {};
}

/// outer: G[k, i] = sum_t x[k, t] y[i, t].
Gemm outer_product(const float * x, int64_t n, const float * y, int64_t m, int64_t n_tokens, float scale, float * out) {
    return {.m = n, .n = m, .depth = n_tokens, .a = {x, 1, n}, .b = {y, 1, m}, .c = out, .ldc = n, .scale = scale};
}
Status outer(const Launch & l) {
    return gemm(l, outer_product(l.x(0), l.in(0).ne(0), l.x(1), l.in(1).ne(0), l.in(0).ne(1), 1, l.y(0)));
}

/// lora: out = y + s B h, h = A x.
Status lora(const Launch & l) {
    const int64_t m = l.in(0).ne(0), k = l.in(1).ne(0), r = l.in(2).ne(1), n = l.in(1).ne(1);
    QL_TRY(multiply(l, {.m = r, .n = n, .depth = k, .a = {l.x(2), k, 1}, .b = {l.x(1), k, 1}, .c = l.y(1), .ldc = r}));
    return multiply(l, {.m = m,
                        .n = n,
                        .depth = r,
                        .a = {l.x(3), r, 1},
                        .b = {l.y(1), r, 1},
                        .c = l.y(0),
                        .ldc = m,
                        .scale = l.params<LoraParams>().scale,
                        .add = l.x(0)});
}

/// lora_back: dh = s B^T dy; dA = x dh^T; dB = s h dy^T.
Status lora_back(const Launch & l) {
    const int64_t m = l.in(0).ne(0), k = l.in(1).ne(0), r = l.in(2).ne(0), n = l.in(0).ne(1);
    const float s = l.params<LoraParams>().scale;
    QL_TRY(multiply(
        l, {.m = r, .n = n, .depth = m, .a = {l.x(4), 1, r}, .b = {l.x(0), m, 1}, .c = l.y(2), .ldc = r, .scale = s}));
    QL_TRY(gemm(l, outer_product(l.x(1), k, l.y(2), r, n, 1, l.y(0))));
    return gemm(l, outer_product(l.x(2), r, l.x(0), m, n, s, l.y(1)));
}

// lora_mix: sources W, x, s [n_adapters, T], A_i [k, r_i] and the transpose of B_i [m, r_i] of each branch, and r or none.

int64_t largest_rank(const Node & n) {
    int64_t most = 0;
    for (size_t i = 3; i + 1 < n.src.size(); i += 2) most = std::max(most, n.src[i]->ne(1));
    return most;
}
/// Where the branches' h lies in the scratch.
size_t mix_offset(const Node & n, const DeviceImpl & device) {
    return (product_scratch(*n.src[0], device) + 63) / 64 * 64;
}
size_t scratch_of_mix(const Node & n, const DeviceImpl & device) {
    return mix_offset(n, device) + static_cast<size_t>(largest_rank(n) * n.src[1]->ne(1)) * sizeof(float);
}
Status lora_mix(const Launch & l) {
    const int n_sources = static_cast<int>(l.node.src.size());
    const int64_t k = l.in(0).ne(0), m = l.in(0).ne(1), n = l.in(1).ne(1), n_adapters = l.in(2).ne(0);
    Product p = product_at(l, 0, 1, false);
    p.add = n_sources % 2 == 0 ? l.x(n_sources - 1) : nullptr;
    QL_TRY(multiply(l, p, l.scratch));
    auto * h = reinterpret_cast<float *>(l.scratch + mix_offset(l.node, l.device));
    uint64_t left = l.params<LoraMixParams>().adapters;
    for (int i = 3; left; i += 2, left &= left - 1) {
        const int64_t r = l.in(i).ne(1);
        QL_TRY(multiply(l, {.m = r,
                            .n = n,
                            .depth = k,
                            .a = {l.src[i], k, 1, l.in(i).dtype},
                            .b = {l.x(1), k, 1},
                            .c = h,
                            .ldc = r,
                            .factor = l.x(2) + std::countr_zero(left),
                            .factor_step = n_adapters}));
        QL_TRY(multiply(l, {.m = m,
                            .n = n,
                            .depth = r,
                            .a = {l.src[i + 1], 1, m, l.in(i + 1).dtype},
                            .b = {h, r, 1},
                            .c = l.y(0),
                            .ldc = m,
                            .add = l.y(0)}));
    }
    return {};
}

/// get_rows: rows of a table of any format.
Status get_rows(const Launch & l) {
    return find_format(l.in(0).dtype)->decode(l, weight_of(l.in(0), l.src[0]), l.ids(1), 0, l.in(1).ne(0), l.y(0));
}

}  // namespace

const Kernel kernel::mul_mat = {
    .launch = ::ql::cuda::mul_mat<false>, .scratch = scratch_of_first, .accepts = accepts_first};
const Kernel kernel::mul_mat_t = {
    .launch = ::ql::cuda::mul_mat<true>, .scratch = scratch_of_first, .accepts = accepts_first};
const Kernel kernel::mul_mat_merged = {
    .launch = ::ql::cuda::mul_mat<false>, .scratch = scratch_of_first, .accepts = accepts_first};
const Kernel kernel::mul_mat_sum = {
    .launch = ::ql::cuda::mul_mat_sum, .scratch = scratch_of_terms, .accepts = accepts_terms};
const Kernel kernel::outer = {.launch = ::ql::cuda::outer};
const Kernel kernel::lora = {.launch = ::ql::cuda::lora};
const Kernel kernel::lora_back = {.launch = ::ql::cuda::lora_back};
const Kernel kernel::lora_mix = {.launch = ::ql::cuda::lora_mix, .scratch = scratch_of_mix, .accepts = accepts_first};
const Kernel kernel::get_rows = {.launch = ::ql::cuda::get_rows, .accepts = accepts_first};
}  // namespace ql::cuda
