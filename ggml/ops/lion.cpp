// One Lion step, in place: the sign of a mean of gradient and momentum, with clipping and decay as in adamw.cpp:
//     g *= min(1, clip / (norm + 1e-6));  p *= 1 - lr decay;                                       (Chen et al. 2023)
//     p -= lr sign(b1 m + (1 - b1) g);  m = b2 m + (1 - b2) g.
// sign(0) is 0. All is computed in f32, so that a sign is the same wherever it is taken.
#include "ggml/graph/build.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/optimizer_rules.hpp"
#include "ggml/ops/optimizer_step.hpp"

namespace ql {

const OpDef op::lion = {
    .number = Op::lion,
    .name = "lion",
    .formula = "p *= 1 - lr decay; p -= lr sign(b1 m + (1 - b1) g); m = b2 m + (1 - b2) g",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_lion>::call,
    .infer = infer_step<LionRule>,
    .no_grad = "it is a step of the optimizer",
    .reference = reference_step<LionRule, float>,
    .reference64 = reference_step<LionRule, double>,
    .cases = step_cases<LionRule>,
    .bench = bench_step<LionRule>,
    .flops = flops_each<10>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_lion(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * norm,
                               ql_tensor * hyper, float lr_scale) {
    return build(g, [&] { return g->emit(op::lion, {p, grad, m, norm, hyper}, OptimizerParams{lr_scale}); });
}
