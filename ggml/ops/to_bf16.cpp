// y = x rounded to bf16, ties to even: made by the planner where several products would round the same operand.
#include "ggml/dtypes/half.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"

namespace ql {
namespace {

Status infer_to_bf16(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    outs.push_back({.dtype = QL_BF16, .shape = n.src[0]->shape});
    return {};
}

template <typename Real>
void reference_to_bf16(const RefArgs<Real> & a) {
    auto * y = static_cast<uint16_t *>(a.out[0]);
    for (int64_t i = 0; i < a.in(0).shape.elements(); ++i) y[i] = f32_to_bf16(static_cast<float>(a.x(0)[i]));
}

std::vector<Case> cases_to_bf16() {
    return {{"1", {data_in(1)}, {}}, {"33x3", {data_in({33, 3})}, {}}, {"576x65", {data_in({576, 65})}, {}}};
}

Result<Case> bench_to_bf16(const BenchSize & s) {
    return Case{"", {data_in({s.k, s.t})}, {}};
}

}  // namespace

const OpDef op::to_bf16 = {
    .number = Op::to_bf16,
    .name = "to_bf16",
    .formula = "y = bf16(x)",
    .infer = infer_to_bf16,
    .no_grad = "the planner makes it, after gradients were taken",
    .reference = reference_to_bf16<float>,
    .reference64 = reference_to_bf16<double>,
    .cases = cases_to_bf16,
    .bench = bench_to_bf16,
};

}  // namespace ql
