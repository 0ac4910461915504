// y = (r +) sum_i s_i op_i(W_i) x_i, op(W) x being W x or W^T x: what sums of mul_mat and mul_mat_t are planned as, so
// that the result is written once. Sources r (or none), W_0, x_0, W_1, x_1 ...
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"

namespace ql {
namespace {

bool transposed(const Node & n, size_t i) {
    return n.params.as<MulMatSumParams>().transposed >> i & 1;
}

Status infer_mul_mat_sum(const Node & n, std::vector<OutSpec> & outs) {
    const size_t terms = n.src.size() / 2;
    if (n.src.size() % 2 != 1 || terms < 1 || terms > kMulMatSumTerms)
        return shape_error(n, "r and 1 to 8 pairs of W and x are needed");
    Shape y;
    for (size_t i = 0; i < terms; ++i) {
        const int at = static_cast<int>(2 * i + 1);
        QL_TRY(expect_weight(n, at));
        QL_TRY(expect_matrix(n, at + 1));
        const Operand &w = *n.src[2 * i + 1], &x = *n.src[2 * i + 2];
        if (x.ne(0) != w.ne(transposed(n, i) ? 1 : 0)) return shape_error(n, "inner sizes differ");
        const Shape term(w.ne(transposed(n, i) ? 0 : 1), x.ne(1));
        if (i > 0 && term != y) return shape_error(n, "terms differ in shape");
        y = term;
    }
    if (n.src[0]) QL_TRY(expect_shape(n, 0, y));
    outs.push_back({.shape = y, .may_reuse = n.src[0] ? 0 : -1});
    return {};
}

template <typename Real>
void reference_mul_mat_sum(const RefArgs<Real> & a) {
    const size_t terms = a.node.src.size() / 2;
    const Shape & y = a.node.out[0]->shape;
    std::vector<double> sum(static_cast<size_t>(y.elements()));
    if (a.has(0))
        for (size_t e = 0; e < sum.size(); ++e) sum[e] = static_cast<double>(a.x(0)[e]);
    for (size_t i = 0; i < terms; ++i) {
        const Operand & weight = *a.node.src[2 * i + 1];
        const int64_t depth = a.node.src[2 * i + 2]->ne(0), row = weight.ne(0);
        const auto w = a.decoded(static_cast<int>(2 * i + 1));
        const Real * x = a.x(static_cast<int>(2 * i + 2));
        const double s = static_cast<double>(a.template params<MulMatSumParams>().scale[i]);
        for (int64_t t = 0; t < y[1]; ++t)
            for (int64_t j = 0; j < y[0]; ++j)
                for (int64_t p = 0; p < depth; ++p)
                    sum[static_cast<size_t>(t * y[0] + j)] +=
                        s *
                        static_cast<double>(w[static_cast<size_t>(transposed(a.node, i) ? p * row + j : j * row + p)]) *
                        static_cast<double>(x[t * depth + p]);
    }
    for (size_t e = 0; e < sum.size(); ++e) a.y(0)[e] = static_cast<Real>(sum[e]);
}

std::vector<Case> cases_mul_mat_sum() {
    const auto linear = [](const char * name, ql_dtype dtype, int64_t k, int64_t m, int64_t r, int64_t t) {
        return Case{name,  // a residual, a linear and its LoRA branch
                    {data_in({m, t}), frozen_in({k, m}, dtype), data_in({k, t}), frozen_in({r, m}), data_in({r, t})},
                    MulMatSumParams{0, {1, 0.75f}}};
    };
    const auto back = [](const char * name, ql_dtype dtype, int64_t k, int64_t m, int64_t m2, int64_t r, int64_t t) {
        return Case{name,  // what comes back through two linears and the LoRA branch of one
                    {data_in({k, t}), frozen_in({k, m}, dtype), data_in({m, t}), frozen_in({k, m2}, dtype),
                     data_in({m2, t}), frozen_in({k, r}), data_in({r, t})},
                    MulMatSumParams{0b111, {1, 1, 0.5f}}};
    };
    return {linear("1x1 r1 T1", QL_F32, 1, 1, 1, 1),
            linear("33x5 r3 T3", QL_F32, 33, 5, 3, 3),
            linear("nf4_dq 64x65 r8 T2", QL_NF4_DQ, 64, 65, 8, 2),
            linear("nf4_dq 192x70 r7 T33", QL_NF4_DQ, 192, 70, 7, 33),
            linear("q8_0 2112x33 r16 T7", QL_Q8_0, 2112, 33, 16, 7),  // more than one panel deep
            back("65x33 T1", QL_F32, 65, 33, 7, 3, 1),
            back("nf4_dq 128x33 T19", QL_NF4_DQ, 128, 33, 65, 8, 19),
            back("q4_0 64x1500 T8", QL_Q4_0, 64, 1500, 1111, 5, 8)};
}

double flops_mul_mat_sum(const Node & n) {
    double sum = 0;
    for (size_t i = 1; i < n.src.size(); i += 2)
        sum += 2.0 * static_cast<double>(n.src[i]->shape.elements()) * static_cast<double>(n.src[i + 1]->ne(1));
    return sum;
}

Result<Case> bench_mul_mat_sum(const BenchSize & s) {
    return Case{"",
                {data_in({s.m, s.t}), frozen_in({s.k, s.m}, s.dtype, Fill::layer), data_in({s.k, s.t}),
                 data_in({kBenchRank, s.m}), data_in({kBenchRank, s.t})},
                MulMatSumParams{0, {1, 2}}};
}

}  // namespace

const OpDef op::mul_mat_sum = {
    .number = Op::mul_mat_sum,
    .name = "mul_mat_sum",
    .formula = "y = r + sum_i s_i op_i(W_i) x_i, op(W) x = W x or W^T x",
    .params = params_type<MulMatSumParams>(),
    .infer = infer_mul_mat_sum,
    .no_grad = "the planner makes it, after gradients were taken",
    .optional = 0b1,
    .products = true,
    .reference = reference_mul_mat_sum<float>,
    .reference64 = reference_mul_mat_sum<double>,
    .cases = cases_mul_mat_sum,
    .bench = bench_mul_mat_sum,
    .flops = flops_mul_mat_sum,
};

}  // namespace ql
