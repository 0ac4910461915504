#include "ggml/ops/optimizer.hpp"

#include "ggml/ops/checks.hpp"

namespace ql {

Status expect_optimizer(const Node & n) {
    QL_TRY(expect_param(n, 0));
    QL_TRY(expect_f32(n, 1));
    QL_TRY(expect_same_shape(n, 0, 1));
    const int norm = norm_of(n), hyper = norm + 1;
    QL_TRY(expect_f32(n, norm));
    QL_TRY(expect_shape(n, norm, Shape(1)));
    QL_TRY(expect_f32(n, hyper));
    QL_TRY(expect_shape(n, hyper, Shape(QL_HYPER_N)));
    const float scale = n.params.as<OptimizerParams>().lr_scale;
    if (std::isfinite(scale)) return {};
    return error(QL_INVALID_ARGUMENT, "%s: lr_scale is %g", std::string(n.def->name).c_str(),
                 static_cast<double>(scale));
}

void results_in_place(const Node & n, std::vector<OutSpec> & outs) {
    for (int i = 0; i < norm_of(n); ++i) {
        if (i == 1) continue;  // the gradient
        const Operand & source = *n.src[static_cast<size_t>(i)];
        outs.push_back({.dtype = source.dtype, .shape = source.shape, .alias = i});
    }
}

Case optimizer_case(const char * name, Shape s, std::vector<CaseInput> states, float lr_scale) {
    std::vector<CaseInput> in = {param_in(s), data_in(s)};
    in.insert(in.end(), states.begin(), states.end());
    in.push_back(data_in(1, Fill::positive));
    in.push_back(data_in(QL_HYPER_N, Fill::hyper));
    return {name, std::move(in), OptimizerParams{lr_scale}};
}

}  // namespace ql
