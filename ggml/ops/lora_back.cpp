// The gradients of out = y + s B h, h = A x:
//     dh = s B^T dy;   dB[j, i] = s sum_t h[j, t] dy[i, t];   dA[i, j] = sum_t x[i, t] dh[j, t].
// Sources dy [m, T], x [k, T], h [r, T], A [k, r], B [r, m]; results dA [k, r], dB [r, m], dh [r, T]. The gradient of x
// is A^T dh, a mul_mat_t of its own, and only where it is asked for.
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"

namespace ql {
namespace {

Status infer_lora_back(const Node & n, std::vector<OutSpec> & outs) {
    for (int i = 0; i < 5; ++i) QL_TRY(expect_matrix(n, i));
    const Shape &dy = n.src[0]->shape, &x = n.src[1]->shape, &a = n.src[3]->shape, &b = n.src[4]->shape;
    if (dy[1] != x[1]) return shape_error(n, "numbers of tokens differ");
    if (a[0] != x[0] || b[0] != a[1] || b[1] != dy[0]) return shape_error(n, "sizes of dy, x, A and B do not fit");
    QL_TRY(expect_shape(n, 2, Shape(a[1], x[1])));
    outs.push_back({.shape = a});
    outs.push_back({.shape = b});
    outs.push_back({.shape = n.src[2]->shape});
    return {};
}

/// out[i, j] = s sum_t x[i, t] y[j, t], with x [n, T] and y [m, T].
template <typename Real>
void outer_product(const Real * x, int64_t n, const Real * y, int64_t m, int64_t n_tokens, double s, Real * out) {
    for (int64_t j = 0; j < m; ++j)
        for (int64_t i = 0; i < n; ++i) {
            double sum = 0;
            for (int64_t t = 0; t < n_tokens; ++t) sum += static_cast<double>(x[t * n + i]) * y[t * m + j];
            out[j * n + i] = static_cast<Real>(s * sum);
        }
}

template <typename Real>
void reference_lora_back(const RefArgs<Real> & args) {
    const int64_t m = args.in(0).ne(0), k = args.in(1).ne(0), r = args.in(2).ne(0), n_tokens = args.in(0).ne(1);
    const Real *dy = args.x(0), *b = args.x(4);
    Real * dh = args.y(2);
    const double s = args.template params<LoraParams>().scale;
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t j = 0; j < r; ++j) {
            double sum = 0;
            for (int64_t i = 0; i < m; ++i) sum += static_cast<double>(b[i * r + j]) * dy[t * m + i];
            dh[t * r + j] = static_cast<Real>(s * sum);
        }
    outer_product(args.x(1), k, static_cast<const Real *>(dh), r, n_tokens, 1.0, args.y(0));
    outer_product(args.x(2), r, dy, m, n_tokens, s, args.y(1));
}

std::vector<Case> cases_lora_back() {
    const auto make = [](const char * name, int64_t k, int64_t m, int64_t r, int64_t t) {
        return Case{name,
                    {data_in({m, t}), data_in({k, t}), data_in({r, t}), param_in({k, r}), param_in({r, m})},
                    LoraParams{0.75f}};
    };
    return {make("1x1 r1 T1", 1, 1, 1, 1), make("33x5 r3 T1", 33, 5, 3, 1), make("65x33 r8 T33", 65, 33, 8, 33),
            make("64x192 r16 T65", 64, 192, 16, 65)};
}

double flops_lora_back(const Node & n) {
    const Shape &dy = n.src[0]->shape, &a = n.src[3]->shape;
    return 2.0 * static_cast<double>(a[1]) * static_cast<double>(dy[1]) * static_cast<double>(2 * dy[0] + a[0]);
}

Result<Case> bench_lora_back(const BenchSize & s) {
    return Case{"",
                {data_in({s.m, s.t}), data_in({s.k, s.t}), data_in({kBenchRank, s.t}), data_in({s.k, kBenchRank}),
                 data_in({kBenchRank, s.m})},
                LoraParams{2}};
}

}  // namespace

const OpDef op::lora_back = {
    .number = Op::lora_back,
    .name = "lora_back",
    .formula = "dh = s B^T dy; dB = s h dy^T; dA = x dh^T",
    .params = params_type<LoraParams>(),
    .infer = infer_lora_back,
    .no_grad = "second derivatives are out of scope",
    .products = true,
    .reference = reference_lora_back<float>,
    .reference64 = reference_lora_back<double>,
    .cases = cases_lora_back,
    .bench = bench_lora_back,
    .flops = flops_lora_back,
};

}  // namespace ql
