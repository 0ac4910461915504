// The operators that are products with a weight, and LoRA's.
#include <bit>

#include "backends/vulkan/ops/product.hpp"
#include "ggml/ops/params.hpp"

namespace ql::vulkan {
namespace {

// mul_mat, mul_mat_t, mul_mat_merged (whose A and B are the gradient's alone)

Status takes_first(const Node & n) {
    return expect_format(*n.src[0]);
}
Matmul product_at(const Launch & l, int w, int x, bool transposed) {
    Matmul p = product(l, l.in(w), l.src[w], transposed, source(l, x), l.in(x).ne(1), result(l, 0));
    p.b_type = l.in(x).dtype, p.c_type = l.node.out[0]->dtype;
    return p;
}
template <bool transposed>
Status mul_mat(const Launch & l) {
    return matmul(l, product_at(l, 0, 1, transposed));
}

// mul_mat_sum: sources r (or none), W_0, x_0, W_1, x_1 ...

Status takes_terms(const Node & n) {
    for (size_t i = 1; i < n.src.size(); i += 2) QL_TRY(expect_format(*n.src[i]));
    return {};
}
Status mul_mat_sum(const Launch & l) {
    const auto params = l.params<MulMatSumParams>();
    for (int i = 1, term = 0; i < static_cast<int>(l.node.src.size()); i += 2, ++term) {
        Matmul p = product_at(l, i, i + 1, params.transposed >> term & 1);
        p.scale = params.scale[term];
        p.adds = term > 0 || l.has(0);
        p.add = term > 0 ? p.c : source(l, 0);
        p.add_type = term > 0 ? p.c_type : QL_F32;
        QL_TRY(matmul(l, p));
    }
    return {};
}

/// outer: G[k, i] = sum_t x[k, t] y[i, t]. x may be of bf16, y is f32 unless its type is set.
Matmul outer_product(Address x, ql_dtype x_type, int64_t n, Address y, int64_t m, int64_t n_tokens, float scale,
                     Address out) {
    return {.a = plain(x),
            .a_type = x_type,
            .b = y,
            .c = out,
            .m = n,
            .n = m,
            .depth = n_tokens,
            .a_step = {1, n},
            .b_step = {1, m},
            .ldc = n,
            .scale = scale};
}
Status outer(const Launch & l) {
    Matmul p = outer_product(source(l, 0), l.in(0).dtype, l.in(0).ne(0), source(l, 1), l.in(1).ne(0), l.in(0).ne(1), 1,
                             result(l, 0));
    p.b_type = l.in(1).dtype;
    return matmul(l, p);
}

/// A plain product: c [m, n] of a [depth, m] and b [depth, n].
Matmul plain_product(Address a, Address b, Address c, int64_t m, int64_t n, int64_t depth) {
    return {.a = plain(a),
            .a_type = QL_F32,
            .b = b,
            .c = c,
            .m = m,
            .n = n,
            .depth = depth,
            .a_step = {depth, 1},
            .b_step = {depth, 1},
            .ldc = m};
}

/// lora: out = y + s B h, h = A x.
Status lora(const Launch & l) {
    const int64_t m = l.in(0).ne(0), k = l.in(1).ne(0), r = l.in(2).ne(1), n = l.in(1).ne(1);
    Matmul down = plain_product(source(l, 2), source(l, 1), result(l, 1), r, n, k);
    down.b_type = l.in(1).dtype;
    QL_TRY(matmul(l, down));
    Matmul up = plain_product(source(l, 3), result(l, 1), result(l, 0), m, n, r);
    up.scale = l.params<LoraParams>().scale;
    up.adds = true, up.add = source(l, 0);
    return matmul(l, up);
}

/// lora_back: dh = s B^T dy; dA = x dh^T; dB = s h dy^T.
Status lora_back(const Launch & l) {
    const int64_t m = l.in(0).ne(0), k = l.in(1).ne(0), r = l.in(2).ne(0), n = l.in(0).ne(1);
    Matmul down = plain_product(source(l, 4), source(l, 0), result(l, 2), r, n, m);
    down.scale = l.params<LoraParams>().scale;
    down.a_step = {1, r};
    down.b_type = l.in(0).dtype;
    QL_TRY(matmul(l, down));
    QL_TRY(matmul(l, outer_product(source(l, 1), l.in(1).dtype, k, result(l, 2), r, n, 1, result(l, 0))));
    Matmul db = outer_product(source(l, 2), QL_F32, r, source(l, 0), m, n, down.scale, result(l, 1));
    db.b_type = l.in(0).dtype;
    return matmul(l, db);
}

// lora_mix: sources W, x, s [n_adapters, T], A_i [k, r_i] and the transpose of B_i [m, r_i] of each branch, and r or none.

size_t scratch_of_mix(const Node & n, const DeviceImpl &) {
    int64_t most = 0;
    for (size_t i = 3; i + 1 < n.src.size(); i += 2) most = std::max(most, n.src[i]->ne(1));
    return static_cast<size_t>(most * n.src[1]->ne(1)) * sizeof(float);
}
Status lora_mix(const Launch & l) {
    const int n_sources = static_cast<int>(l.node.src.size());
    const int64_t k = l.in(0).ne(0), m = l.in(0).ne(1), n = l.in(1).ne(1), n_adapters = l.in(2).ne(0);
    Matmul p = product_at(l, 0, 1, false);
    if (n_sources % 2 == 0) p.adds = true, p.add = source(l, n_sources - 1);
    p.adds = p.adds && l.has(n_sources - 1);
    QL_TRY(matmul(l, p));
    const Address h = at(l, l.scratch);
    uint64_t left = l.params<LoraMixParams>().adapters;
    for (int i = 3; left; i += 2, left &= left - 1) {
        const int64_t r = l.in(i).ne(1);
        Matmul down = plain_product(source(l, i), source(l, 1), h, r, n, k);
        down.a_type = l.in(i).dtype;
        down.has_factor = true, down.factor_step = n_adapters;
        down.factor = source(l, 2) + static_cast<Address>(std::countr_zero(left)) * sizeof(float);
        QL_TRY(matmul(l, down));
        Matmul up = plain_product(source(l, i + 1), h, p.c, m, n, r);
        up.a_type = l.in(i + 1).dtype;
        up.a_step = {1, m};
        up.adds = true, up.add = p.c;
        QL_TRY(matmul(l, up));
    }
    return {};
}

template <size_t i>
bool is_source(const Node &, size_t source) {
    return source == i;
}
bool is_first_two(const Node &, size_t source) {
    return source < 2;
}
/// An x of mul_mat_sum.
bool is_operand(const Node &, size_t source) {
    return source >= 2 && source % 2 == 0;
}

struct GetRowsPush {
    WeightPush table;
    Address ids, y;
    int32_t n, width, n_rows;
};
/// get_rows: rows of a table of any format.
Status get_rows(const Launch & l) {
    const GetRowsPush push{weight_of(l, l.in(0), l.src[0]), source(l, 1),          result(l, 0),
                           elements(*l.node.out[0]),        number(l.in(0).ne(0)), number(l.in(0).ne(1))};
    return each_element(l, shader::get_rows, push, push.n, {static_cast<uint32_t>(format_of(l.in(0).dtype))});
}

}  // namespace

const Kernel kernel::mul_mat = row<::ql::vulkan::mul_mat<false>, takes_first>(nullptr, is_source<1>, takes_bf16);
const Kernel kernel::mul_mat_t = row<::ql::vulkan::mul_mat<true>, takes_first>(nullptr, is_source<1>, takes_bf16);
const Kernel kernel::mul_mat_merged = row<::ql::vulkan::mul_mat<false>, takes_first>(nullptr, is_source<1>, takes_bf16);
const Kernel kernel::mul_mat_sum = row<::ql::vulkan::mul_mat_sum, takes_terms>(nullptr, is_operand, takes_bf16);
const Kernel kernel::outer = row<::ql::vulkan::outer>(nullptr, takes_bf16);
const Kernel kernel::lora = row<::ql::vulkan::lora>(nullptr, is_source<1>);
const Kernel kernel::lora_back = row<::ql::vulkan::lora_back>(nullptr, is_first_two);
const Kernel kernel::lora_mix = row<::ql::vulkan::lora_mix, takes_first>(scratch_of_mix);
const Kernel kernel::get_rows = row<::ql::vulkan::get_rows, takes_first>();
}  // namespace ql::vulkan
