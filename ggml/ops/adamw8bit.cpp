// One AdamW step, in place, whose moments are kept in 8 bits (blockwise_state.hpp): as adamw.cpp, with m and v decoded
// before and encoded after it. Sources p, grad, codes and absmax of m, codes and absmax of v, norm, hyper.
#include "ggml/graph/build.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/optimizer_rules.hpp"
#include "ggml/ops/optimizer_step.hpp"

namespace ql {

const OpDef op::adamw8bit = {
    .number = Op::adamw8bit,
    .name = "adamw8bit",
    .formula = "as adamw, with m and v in blocks of 256 codes of 8 bits",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_adamw8bit>::call,
    .infer = infer_step_8bit<AdamwRule>,
    .no_grad = "it is a step of the optimizer",
    .reference = reference_step_8bit<AdamwRule, float>,
    .reference64 = reference_step_8bit<AdamwRule, double>,
    .cases = step_cases_8bit<AdamwRule>,
    .bench = bench_step_8bit<AdamwRule>,
    .flops = flops_each<24>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_adamw8bit(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * m_absmax,
                                    ql_tensor * v, ql_tensor * v_absmax, ql_tensor * norm, ql_tensor * hyper,
                                    float lr_scale) {
    return build(g, [&] {
        return g->emit(op::adamw8bit, {p, grad, m, m_absmax, v, v_absmax, norm, hyper}, OptimizerParams{lr_scale});
    });
}
