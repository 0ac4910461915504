// Output projection and cross-entropy in one, so that the logits of a batch never exist as a whole:
//     nll[t] = logsumexp_i (W x)[i, t] - (W x)[target[t], t] where target[t] >= 0, else 0;
//     loss = sum_t weight[t] nll[t];
// with a soft cap, over cap tanh(W x / cap).
// Sources x [n, T], W [n, V], target [T], weight [T]; results loss [1] and nll [T]. Rows of W may have logits of their own
// instead, which are capped as the others are: rows [R], own [R, T], both or neither.
#include "ggml/ops/head_loss.hpp"

#include <tuple>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

constexpr int kOwnRows = 4, kOwn = 5;  // sources

Status infer_head_loss(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(check_head_loss(n));
    QL_TRY(check_own_logits(n, kOwnRows));
    outs.push_back({.shape = Shape(1)});
    outs.push_back({.shape = Shape(n.src[0]->ne(1))});
    return {};
}

/// Reads x itself, never a recomputation of it: with the same sources the planner can drop the forward node.
Status backward_head_loss(GradBuilder & b, const GraphNode & n) {
    Tensor * d_loss = b.gradient(n.result(0));
    if (!d_loss || b.gradient(n.result(1)))
        return error(QL_UNSUPPORTED, "head_loss: the gradient flows through the loss, not nll");
    const bool has_own = has_own_logits(n, kOwnRows);
    if (!b.wants(n.source(0)) && !(has_own && b.wants(n.source(kOwn)))) return {};
    std::vector<Tensor *> src = {n.source(0), n.source(1), n.source(2), n.source(3), d_loss};
    if (has_own) src.insert(src.end(), {n.source(kOwnRows), n.source(kOwn)});
    Tensor * dx = b.graph().emit(op::head_loss_back, src, n.params);
    if (b.wants(n.source(0))) b.add(n.source(0), dx);
    if (has_own && b.wants(n.source(kOwn))) b.add(n.source(kOwn), dx ? dx->producer->result(3) : nullptr);
    return {};
}

template <typename Real>
void reference_head_loss(const RefArgs<Real> & a) {
    const int64_t n = a.in(0).ne(0), n_tokens = a.in(0).ne(1);
    const std::vector<Real> w = a.decoded(1);
    std::vector<double> log_p(static_cast<size_t>(a.in(1).ne(1)));
    const double cap = a.template params<HeadLossParams>().cap;
    double loss = 0;
    for (int64_t t = 0; t < n_tokens; ++t) {
        double nll = 0;
        if (a.ids(2)[t] >= 0) {
            log_softmax(a.x(0) + t * n, w, n, OwnLogits<Real>(a, kOwnRows, t), cap, log_p);
            nll = token_nll(log_p, a.ids(2)[t]);
        }
        a.y(1)[t] = static_cast<Real>(nll);
        loss += a.x(3)[t] * nll;
    }
    a.y(0)[0] = static_cast<Real>(loss);
}

std::vector<Case> cases_head_loss() {
    std::vector<Case> list;
    for (const ProductCase & c : head_cases())
        list.push_back({c.name,
                        {param_in({c.k, c.t}), frozen_in({c.k, c.m}, c.dtype, Fill::layer),
                         ints_in(c.t, Fill::targets, c.m), data_in(c.t, Fill::positive)},
                        HeadLossParams{}});
    Case capped = list.front();
    capped.name = "soft cap of 0.5";
    capped.params = HeadLossParams{0.5f};
    list.push_back(std::move(capped));
    for (const auto & [name, n_rows, cap] : {std::tuple("own logits 33x70x7, 1 row", 1, 0.0f),
                                             {"own logits 33x70x7, 70 rows", 70, 0.0f},
                                             {"own logits 33x70x7, 3 rows, soft cap of 0.5", 3, 0.5f}})
        list.push_back({name,
                        {param_in({33, 7}), frozen_in({33, 70}, QL_F32, Fill::layer), ints_in(7, Fill::targets, 70),
                         data_in(7, Fill::positive), ints_in(n_rows, Fill::distinct, 70), param_in({n_rows, 7})},
                        HeadLossParams{cap}});
    return list;
}

double flops_head_loss(const Node & n) {
    return 2.0 * static_cast<double>(n.src[1]->shape.elements()) * static_cast<double>(n.src[0]->ne(1));
}

Result<Case> bench_head_loss(const BenchSize & s) {
    return Case{"",
                {data_in({s.k, s.t}), frozen_in({s.k, s.m}, s.dtype, Fill::layer), ints_in(s.t, Fill::ids, s.m),
                 data_in(s.t, Fill::positive)},
                HeadLossParams{}};
}

}  // namespace

const OpDef op::head_loss = {
    .number = Op::head_loss,
    .name = "head_loss",
    .formula = "loss = sum_t weight[t] (logsumexp_i (W x)[i, t] - (W x)[target[t], t]) over tokens with target[t] >= 0",
    .params = params_type<HeadLossParams>(),
    .build_empty = Empty<ql_head_loss>::call,
    .infer = infer_head_loss,
    .backward = backward_head_loss,
    .differentiable = 0b100001,
    .optional = 0b110000,
    .products = true,
    .reference = reference_head_loss<float>,
    .reference64 = reference_head_loss<double>,
    .cases = cases_head_loss,
    .bench = bench_head_loss,
    .flops = flops_head_loss,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_head_loss(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * target, ql_tensor * weight,
                                    ql_tensor ** nll) {
    ql_tensor * loss = build(g, [&] { return g->emit(op::head_loss, {x, w, target, weight}, HeadLossParams{}); });
    if (nll) *nll = loss ? loss->producer->result(1) : nullptr;
    return loss;
}

extern "C" ql_tensor * ql_head_loss_capped(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * target,
                                           ql_tensor * weight, float cap, ql_tensor ** nll) {
    ql_tensor * loss = build(g, [&]() -> Tensor * {
        if (!(cap > 0)) return g->fail(soft_cap_error("head_loss", cap)), nullptr;
        return g->emit(op::head_loss, {x, w, target, weight}, HeadLossParams{cap});
    });
    if (nll) *nll = loss ? loss->producer->result(1) : nullptr;
    return loss;
}

extern "C" ql_tensor * ql_head_loss_rows(ql_graph * g, ql_tensor * x, ql_tensor * w, ql_tensor * target,
                                         ql_tensor * weight, ql_tensor * rows, ql_tensor * own, float cap,
                                         ql_tensor ** nll) {
    ql_tensor * loss = build(g, [&]() -> ql_tensor * {
        if (!rows || !own) return g->fail(error(QL_INVALID_ARGUMENT, "head_loss: rows or own is NULL")), nullptr;
        return g->emit(op::head_loss, {x, w, target, weight, rows, own}, HeadLossParams{cap});
    });
    if (nll) *nll = loss ? loss->producer->result(1) : nullptr;
    return loss;
}
