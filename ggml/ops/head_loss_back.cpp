// The gradient of head_loss, and the loss itself, which is a by-product (the planner then drops the forward
// node):
//     dx[:, t] = dloss weight[t] sum_i (softmax_i (W x)[i, t] - [i = target[t]]) W[:, i], zero where target[t] < 0;
// with a soft cap, each term times 1 - (l_i / cap)^2 of the capped logit l_i.
// Sources x, W, target, weight, dloss [1]; results dx [n, T], loss [1], nll [T]. With logits of their own for rows of W,
// sources rows [R] and own [R, T] come after these, result down [R, T]: those logits' part, which is then none of dx's.
#include <tuple>

#include "ggml/ops/cases.hpp"
#include "ggml/ops/head_loss.hpp"

namespace ql {
namespace {

constexpr int kOwnRowsBack = 5;  // source; own comes after it

Status infer_head_loss_back(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(check_head_loss(n));
    QL_TRY(expect_f32(n, 4));
    QL_TRY(expect_shape(n, 4, Shape(1)));
    outs.push_back({.shape = n.src[0]->shape});
    outs.push_back({.shape = Shape(1)});
    outs.push_back({.shape = Shape(n.src[0]->ne(1))});
    QL_TRY(check_own_logits(n, kOwnRowsBack));
    if (has_own_logits(n, kOwnRowsBack)) outs.push_back({.shape = n.src[kOwnRowsBack + 1]->shape});
    return {};
}

/// The gradient of a token's own logits, moved out of that of all logits.
template <typename Real>
void take_own(const OwnLogits<Real> & own, std::vector<double> & d_logits, Real * down) {
    for (int64_t r = 0; r < own.n; ++r) {
        double d = 0;
        if (own.is_row(r, d_logits.size())) std::swap(d, d_logits[static_cast<size_t>(own.rows[r])]);
        down[r] = static_cast<Real>(d);
    }
}

template <typename Real>
void reference_head_loss_back(const RefArgs<Real> & a) {
    const int64_t n = a.in(0).ne(0), n_tokens = a.in(0).ne(1);
    const std::vector<Real> w = a.decoded(1);
    std::vector<double> log_p(static_cast<size_t>(a.in(1).ne(1))), dx(static_cast<size_t>(n)), d_logits;
    const double cap = a.template params<HeadLossParams>().cap;
    double loss = 0;
    for (int64_t t = 0; t < n_tokens; ++t) {
        const int32_t target = a.ids(2)[t];
        const OwnLogits<Real> own(a, kOwnRowsBack, t);
        double nll = 0;
        dx.assign(dx.size(), 0);
        d_logits.assign(log_p.size(), 0);
        if (target >= 0) {
            const double lse = log_softmax(a.x(0) + t * n, w, n, own, cap, log_p);
            nll = token_nll(log_p, target);
            const double factor = static_cast<double>(a.x(4)[0]) * a.x(3)[t];
            for (size_t v = 0; v < log_p.size(); ++v)
                d_logits[v] = soft_cap_slope(log_p[v] + lse, cap) * factor *
                              (std::exp(log_p[v]) - (v == static_cast<size_t>(target) ? 1 : 0));
        }
        if (own.n) take_own(own, d_logits, a.y(3) + t * own.n);
        for (size_t v = 0; v < d_logits.size(); ++v)
            for (size_t i = 0; i < dx.size(); ++i) dx[i] += d_logits[v] * w[v * dx.size() + i];
        for (size_t i = 0; i < dx.size(); ++i) a.y(0)[static_cast<size_t>(t * n) + i] = static_cast<Real>(dx[i]);
        a.y(2)[t] = static_cast<Real>(nll);
        loss += a.x(3)[t] * nll;
    }
    a.y(1)[0] = static_cast<Real>(loss);
}

std::vector<Case> cases_head_loss_back() {
    std::vector<Case> list;
    for (const ProductCase & c : head_cases())
        list.push_back({c.name,
                        {data_in({c.k, c.t}), frozen_in({c.k, c.m}, c.dtype, Fill::layer),
                         ints_in(c.t, Fill::targets, c.m), data_in(c.t, Fill::positive), data_in(1, Fill::positive)},
                        HeadLossParams{}});
    Case capped = list.front();
    capped.name = "soft cap of 0.5";
    capped.params = HeadLossParams{0.5f};
    list.push_back(std::move(capped));
    for (const auto & [name, n_rows, cap] : {std::tuple("own logits 33x70x7, 1 row", 1, 0.0f),
                                             {"own logits 33x70x7, 70 rows", 70, 0.0f},
                                             {"own logits 33x70x7, 3 rows, soft cap of 0.5", 3, 0.5f}})
        list.push_back({name,
                        {data_in({33, 7}), frozen_in({33, 70}, QL_F32, Fill::layer), ints_in(7, Fill::targets, 70),
                         data_in(7, Fill::positive), data_in(1, Fill::positive), ints_in(n_rows, Fill::distinct, 70),
                         data_in({n_rows, 7})},
                        HeadLossParams{cap}});
    return list;
}

double flops_head_loss_back(const Node & n) {
    return 4.0 * static_cast<double>(n.src[1]->shape.elements()) * static_cast<double>(n.src[0]->ne(1));
}

Result<Case> bench_head_loss_back(const BenchSize & s) {
    return Case{"",
                {data_in({s.k, s.t}), frozen_in({s.k, s.m}, s.dtype, Fill::layer), ints_in(s.t, Fill::ids, s.m),
                 data_in(s.t, Fill::positive), data_in(1, Fill::positive)},
                HeadLossParams{}};
}

}  // namespace

const OpDef op::head_loss_back = {
    .number = Op::head_loss_back,
    .name = "head_loss_back",
    .formula =
        "dx[:, t] = dloss weight[t] sum_i (softmax_i (W x)[i, t] - [i = target[t]]) W[:, i]; loss, nll as head_loss",
    .params = params_type<HeadLossParams>(),
    .infer = infer_head_loss_back,
    .no_grad = "second derivatives are out of scope",
    .optional = 0b1100000,
    .products = true,
    .reference = reference_head_loss_back<float>,
    .reference64 = reference_head_loss_back<double>,
    .cases = cases_head_loss_back,
    .bench = bench_head_loss_back,
    .flops = flops_head_loss_back,
};

}  // namespace ql
