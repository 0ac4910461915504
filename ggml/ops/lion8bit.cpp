// One Lion step, in place, whose momentum is kept in 8 bits (blockwise_state.hpp): as lion.cpp, with m decoded before
// and encoded after it. Sources p, grad, codes and absmax of m, norm, hyper.
#include "ggml/graph/build.hpp"
#include "ggml/ops/flops.hpp"
#include "ggml/ops/optimizer_rules.hpp"
#include "ggml/ops/optimizer_step.hpp"

namespace ql {

const OpDef op::lion8bit = {
    .number = Op::lion8bit,
    .name = "lion8bit",
    .formula = "as lion, with m in blocks of 256 codes of 8 bits",
    .params = params_type<OptimizerParams>(),
    .build_empty = Empty<ql_lion8bit>::call,
    .infer = infer_step_8bit<LionRule>,
    .no_grad = "it is a step of the optimizer",
    .reference = reference_step_8bit<LionRule, float>,
    .reference64 = reference_step_8bit<LionRule, double>,
    .cases = step_cases_8bit<LionRule>,
    .bench = bench_step_8bit<LionRule>,
    .flops = flops_each<14>,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_lion8bit(ql_graph * g, ql_tensor * p, ql_tensor * grad, ql_tensor * m, ql_tensor * m_absmax,
                                   ql_tensor * norm, ql_tensor * hyper, float lr_scale) {
    return build(g, [&] {
        return g->emit(op::lion8bit, {p, grad, m, m_absmax, norm, hyper}, OptimizerParams{lr_scale});
    });
}
