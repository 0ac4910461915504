// The gradient of head_loss, with the loss itself, which falls off on the way (the planner then drops the forward
// node):
//     dx[:, t] = dloss weight[t] sum_i (softmax_i (W x)[i, t] - [i = target[t]]) W[:, i], zero where target[t] < 0.
// Sources x, W, target, weight, dloss [1]; results dx [n, T], loss [1], nll [T].
#include "ggml/ops/cases.hpp"
#include "ggml/ops/head_loss.hpp"

namespace ql {
namespace {

Status infer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(check_head_loss(n));
    QL_TRY(expect_f32(n, 4));
    QL_TRY(expect_shape(n, 4, Shape(1)));
    outs.push_back({.shape = n.src[0]->shape});
    outs.push_back({.shape = Shape(1)});
    outs.push_back({.shape = Shape(n.src[0]->ne(1))});
    return {};
}

template <typename Real>
void reference(const RefArgs<Real> & a) {
    const int64_t n = a.in(0).ne(0), n_tokens = a.in(0).ne(1);
    const std::vector<Real> w = a.decoded(1);
    std::vector<double> log_p(static_cast<size_t>(a.in(1).ne(1))), dx(static_cast<size_t>(n));
    double loss = 0;
    for (int64_t t = 0; t < n_tokens; ++t) {
        const int32_t target = a.ids(2)[t];
        double nll = 0;
        dx.assign(dx.size(), 0);
        if (target >= 0) {
            log_softmax(a.x(0) + t * n, w, n, log_p);
            nll = token_nll(log_p, target);
            const double factor = static_cast<double>(a.x(4)[0]) * a.x(3)[t];
            for (size_t v = 0; v < log_p.size(); ++v) {
                const double d_logit = factor * (std::exp(log_p[v]) - (v == static_cast<size_t>(target) ? 1 : 0));
                for (size_t i = 0; i < dx.size(); ++i) dx[i] += d_logit * w[v * dx.size() + i];
            }
        }
        for (size_t i = 0; i < dx.size(); ++i) a.y(0)[static_cast<size_t>(t * n) + i] = static_cast<Real>(dx[i]);
        a.y(2)[t] = static_cast<Real>(nll);
        loss += a.x(3)[t] * nll;
    }
    a.y(1)[0] = static_cast<Real>(loss);
}

std::vector<Case> cases() {
    const auto make = [](const char * name, ql_dtype dtype, int64_t n, int64_t vocabulary, int64_t t) {
        return Case{name,
                    {data_in({n, t}), frozen_in({n, vocabulary}, dtype, Fill::layer),
                     ints_in(t, Fill::targets, vocabulary), data_in(t, Fill::positive), data_in(1, Fill::positive)},
                    {}};
    };
    return {make("f32 3x5x6", QL_F32, 3, 5, 6),           make("f32 33x65x7", QL_F32, 33, 65, 7),
            make("f16 33x130x3", QL_F16, 33, 130, 3),     make("bf16 65x33x5", QL_BF16, 65, 33, 5),
            make("q8_0 64x257x33", QL_Q8_0, 64, 257, 33), make("q4_0 32x65x3", QL_Q4_0, 32, 65, 3),
            make("nf4 64x65x3", QL_NF4, 64, 65, 3),       make("nf4_dq 128x300x5", QL_NF4_DQ, 128, 300, 5),
            make("q4_1 96x33x7", QL_Q4_1, 96, 33, 7),     make("q5_0 32x65x7", QL_Q5_0, 32, 65, 7),
            make("q5_1 96x33x3", QL_Q5_1, 96, 33, 3),     make("q4_K 256x65x5", QL_Q4_K, 256, 65, 5),
            make("q5_K 512x33x3", QL_Q5_K, 512, 33, 3),   make("q6_K 256x67x7", QL_Q6_K, 256, 67, 7)};
}

double flops(const Node & n) {
    return 4.0 * static_cast<double>(n.src[1]->shape.elements()) * static_cast<double>(n.src[0]->ne(1));
}

}  // namespace

const OpDef op::head_loss_back = {
    .name = "head_loss_back",
    .formula =
        "dx[:, t] = dloss weight[t] sum_i (softmax_i (W x)[i, t] - [i = target[t]]) W[:, i]; loss, nll as head_loss",
    .infer = infer,
    .no_grad = "second derivatives are out of scope",
    .products = true,
    .reference = reference<float>,
    .reference64 = reference<double>,
    .cases = cases,
    .flops = flops,
};

}  // namespace ql
