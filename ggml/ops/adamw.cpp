// One AdamW step, in place, with clipping by the global norm in front of it:           (Loshchilov & Hutter 2019)
//     g *= min(1, clip / (norm + 1e-6));  p *= 1 - lr decay;
//     m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr (m / c1) / (sqrt(v / c2) + eps).
// lr is the hyper-parameter times lr_scale. A norm that is NaN or Inf leaves p, m and v as they are: the step is
// skipped. Sources p, grad, m, v, norm, hyper; results p, m, v after the step, which are the sources' own storage.
#include "ggml/graph/build.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/optimizer_rules.hpp"
#include "ggml/ops/optimizer_step.hpp"

namespace ql {

const OpDef op::adamw = {
    .number = Op::adamw,
    .name = "adamw",
    .formula =
        "p *= 1 - lr decay; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr (m / c1) / (sqrt(v / c2) + eps)",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_adamw>::call,
    .infer = infer_step<AdamwRule>,
    .no_grad = "it is a step of the optimizer",
    .reference = reference_step<AdamwRule, float>,
    .reference64 = reference_step<AdamwRule, double>,
    .cases = step_cases<AdamwRule>,
    .bench = bench_step<AdamwRule>,
    .flops = flops_each<16>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_adamw(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * v,
                                ql_tensor * norm, ql_tensor * hyper, float lr_scale) {
    return build(g, [&] { return g->emit(op::adamw, {p, grad, m, v, norm, hyper}, OptimizerParams{lr_scale}); });
}
