// Output projection and cross-entropy in one, so that the logits of a batch never exist as a whole:
//     nll[t] = logsumexp_i (W x)[i, t] - (W x)[target[t], t] where target[t] >= 0, else 0;   loss = sum_t weight[t]
//     nll[t].
// Sources x [n, T], W [n, V], target [T], weight [T]; results loss [1] and nll [T].
#include "ggml/ops/head_loss.hpp"

#include "ggml/grad/grad.hpp"
#include "ggml/ops/cases.hpp"

namespace ql {
namespace {

Status infer(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(check_head_loss(n));
    outs.push_back({.shape = Shape(1)});
    outs.push_back({.shape = Shape(n.src[0]->ne(1))});
    return {};
}

/// Reads x itself, never a recomputation of it: with the same sources the planner can drop the forward node.
Status backward(GradBuilder & b, const GraphNode & n) {
    Tensor * d_loss = b.gradient(n.result(0));
    if (!d_loss || b.gradient(n.result(1)))
        return error(QL_UNSUPPORTED, "head_loss: the gradient flows through the loss, not nll");
    if (b.wants(n.source(0)))
        b.add(n.source(0),
              b.graph().emit(op::head_loss_back, {n.source(0), n.source(1), n.source(2), n.source(3), d_loss}));
    return {};
}

template <typename Real>
void reference(const RefArgs<Real> & a) {
    const int64_t n = a.in(0).ne(0), n_tokens = a.in(0).ne(1);
    const std::vector<Real> w = a.decoded(1);
    std::vector<double> log_p(static_cast<size_t>(a.in(1).ne(1)));
    double loss = 0;
    for (int64_t t = 0; t < n_tokens; ++t) {
        double nll = 0;
        if (a.ids(2)[t] >= 0) {
            log_softmax(a.x(0) + t * n, w, n, log_p);
            nll = token_nll(log_p, a.ids(2)[t]);
        }
        a.y(1)[t] = static_cast<Real>(nll);
        loss += a.x(3)[t] * nll;
    }
    a.y(0)[0] = static_cast<Real>(loss);
}

std::vector<Case> cases() {
    const auto make = [](const char * name, ql_dtype dtype, int64_t n, int64_t vocabulary, int64_t t) {
        return Case{name,
                    {param_in({n, t}), frozen_in({n, vocabulary}, dtype, Fill::layer),
                     ints_in(t, Fill::targets, vocabulary), data_in(t, Fill::positive)},
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
    return 2.0 * static_cast<double>(n.src[1]->shape.elements()) * static_cast<double>(n.src[0]->ne(1));
}

}  // namespace

const OpDef op::head_loss = {
    .name = "head_loss",
    .formula = "loss = sum_t weight[t] (logsumexp_i (W x)[i, t] - (W x)[target[t], t]) over tokens with target[t] >= 0",
    .infer = infer,
    .backward = backward,
    .differentiable = 0b1,
    .products = true,
    .reference = reference<float>,
    .reference64 = reference<double>,
    .cases = cases,
    .flops = flops,
};

}  // namespace ql
