// One step of gradient descent with momentum, in place, with clipping and decay as in adamw.cpp:
//     g *= min(1, clip / (norm + 1e-6));  p *= 1 - lr decay;  m = b1 m + g;  p -= lr m.                 (Polyak 1964)
// The gradient is not scaled by 1 - b1, as in PyTorch's SGD and bitsandbytes': a step is up to 1 / (1 - b1) of them.
#include "ggml/graph/build.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/optimizer_rules.hpp"
#include "ggml/ops/optimizer_step.hpp"

namespace ql {

const OpDef op::sgd = {
    .number = Op::sgd,
    .name = "sgd",
    .formula = "p *= 1 - lr decay; m = b1 m + g; p -= lr m",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_sgd>::call,
    .infer = infer_step<SgdRule>,
    .no_grad = "it is a step of the optimizer",
    .reference = reference_step<SgdRule, float>,
    .reference64 = reference_step<SgdRule, double>,
    .cases = step_cases<SgdRule>,
    .bench = bench_step<SgdRule>,
    .flops = flops_each<6>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_sgd(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * norm,
                              ql_tensor * hyper, float lr_scale) {
    return build(g, [&] { return g->emit(op::sgd, {p, grad, m, norm, hyper}, OptimizerParams{lr_scale}); });
}
