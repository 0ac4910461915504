// x with uniform noise added, each token's with an amplitude of its own. noise_words.hpp says which: no thread, piece of
// a batch or resumed run changes a number of it.                                                     (Jain et al. 2023)
#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/noise_words.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_uniform_noise(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_matrix(n, 0));
    QL_TRY(expect_matrix(n, 1));
    QL_TRY(expect_shape(n, 1, Shape(n.src[0]->shape[1])));
    QL_TRY(expect_i32(n, 2));
    QL_TRY(expect_shape(n, 2, Shape(4)));
    outs.push_back({.shape = n.src[0]->shape, .may_reuse = 0});
    return {};
}

Status backward_uniform_noise(GradBuilder & b, const GraphNode & n) {
    if (b.wants(n.source(0))) b.add(n.source(0), b.gradient(n.result(0)));
    return {};
}

template <typename Real>
void reference_uniform_noise(const RefArgs<Real> & a) {
    const NoiseWords noise(a.template params<UniformNoiseParams>(), a.ids(2));
    const int64_t n = a.in(0).ne(0), n_tokens = a.in(0).ne(1);
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t i = 0; i < n; ++i)
            a.y(0)[t * n + i] =
                a.x(0)[t * n + i] + a.x(1)[t] * static_cast<Real>(NoiseWords::unit(noise.word(noise.element(t, n, i))));
}

std::vector<Case> cases_uniform_noise() {
    const auto make = [](const char * name, Shape s) {
        return Case{name, {param_in(s), data_in(s[1], Fill::positive), ints_in(4, Fill::key)}, UniformNoiseParams{3}};
    };
    return {make("1", 1), make("33x3", {33, 3}), make("65x33", {65, 33}), make("64x5", {64, 5})};
}

Result<Case> bench_uniform_noise(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t}), data_in(s.t), ints_in(4, Fill::key)}, UniformNoiseParams{1}};
}

}  // namespace

const OpDef op::uniform_noise = {
    .number = Op::uniform_noise,
    .name = "uniform_noise",
    .formula = "y = x + amplitude u, u in (-1, 1) from Philox",
    .params = params_type<UniformNoiseParams>(),
    .build_empty = Empty<ql_uniform_noise>::call,
    .infer = infer_uniform_noise,
    .backward = backward_uniform_noise,
    .differentiable = 0b1,
    .cheap = true,
    .reference = reference_uniform_noise<float>,
    .reference64 = reference_uniform_noise<double>,
    .cases = cases_uniform_noise,
    .bench = bench_uniform_noise,
    .flops = flops_each<2>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_uniform_noise(ql_graph * g, ql_tensor * x, ql_tensor * amplitude, ql_tensor * key,
                                        int stream) {
    return build(g, [&] { return g->emit(op::uniform_noise, {x, amplitude, key}, UniformNoiseParams{stream}); });
}
