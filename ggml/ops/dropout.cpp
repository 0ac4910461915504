// x with elements zeroed with probability p and the others scaled by 1 / (1 - p). dropout.hpp says which: a
// recomputation and the backward pass, which is the same operator on dy, make the same choice again, so that no mask is
// ever stored.
#include "ggml/ops/dropout.hpp"

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_dropout(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_matrix(n, 0));
    QL_TRY(expect_i32(n, 1));
    QL_TRY(expect_shape(n, 1, Shape(4)));
    const float p = n.params.as<DropoutParams>().p;
    if (!(p >= 0 && p < 1))
        return error(QL_INVALID_ARGUMENT, "dropout: p is %g, it must be at least 0 and below 1",
                     static_cast<double>(p));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 0});
    return {};
}

Status backward_dropout(GradBuilder & b, const GraphNode & n) {
    if (b.wants(n.source(0)))
        b.add(n.source(0), b.graph().emit(op::dropout, {b.gradient(n.result(0)), n.source(1)}, n.params));
    return {};
}

template <typename Real>
void reference_dropout(const RefArgs<Real> & a) {
    const auto params = a.template params<DropoutParams>();
    const DropoutMask mask(params, a.ids(1));
    const int64_t n = a.in(0).ne(0), n_tokens = a.in(0).ne(1);
    const Real scale = static_cast<Real>(1 / (1 - static_cast<double>(params.p)));
    PhiloxCounter words{};
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t i = 0; i < n; ++i) {
            const uint64_t e = mask.element(t, n, i);
            if (e % 4 == 0 || (t == 0 && i == 0)) words = mask.words(e / 4);
            a.y(0)[t * n + i] = mask.keeps(words[e % 4]) ? a.x(0)[t * n + i] * scale : Real(0);
        }
}

std::vector<Case> cases_dropout() {
    const auto make = [](const char * name, Shape s, float p) {
        return Case{name, {param_in(s), ints_in(4, Fill::key)}, DropoutParams{p, 3}};
    };
    return {make("1", 1, 0.5f), make("33x3 p 0.1", {33, 3}, 0.1f), make("65x33 p 0.5", {65, 33}, 0.5f),
            make("64x5 p 0", {64, 5}, 0)};
}

Result<Case> bench_dropout(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), ints_in(4, Fill::key)}, DropoutParams{0.1f, 1}};
}

}  // namespace

const OpDef op::dropout = {
    .number = Op::dropout,
    .name = "dropout",
    .formula = "y = x keep / (1 - p), keep in {0, 1} from Philox",
    .params = params_type<DropoutParams>(),
    .build_empty = Empty<ql_dropout>::call,
    .infer = infer_dropout,
    .backward = backward_dropout,
    .differentiable = 0b1,
    .cheap = true,
    .reference = reference_dropout<float>,
    .reference64 = reference_dropout<double>,
    .cases = cases_dropout,
    .bench = bench_dropout,
    .flops = flops_each<1>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_dropout(ql_graph * g, ql_tensor * x, ql_tensor * key, float p, int stream) {
    return build(g, [&] { return g->emit(op::dropout, {x, key}, DropoutParams{p, stream}); });
}
