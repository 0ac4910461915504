// y[i] = sum over rows t of a[i, t] b[i, t]: the gradient of a row that multiplies every row of a matrix.
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"

namespace ql {
namespace {

Status infer_column_dots(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    QL_TRY(expect_f32(n, 1));
    QL_TRY(expect_same_shape(n, 0, 1));
    outs.push_back({.shape = Shape(n.src[0]->ne(0))});
    return {};
}

template <typename Real>
void reference_column_dots(const RefArgs<Real> & args) {
    const int64_t width = args.in(0).ne(0), rows = args.in(0).shape.rows();
    for (int64_t i = 0; i < width; ++i) {
        double sum = 0;
        for (int64_t t = 0; t < rows; ++t)
            sum += static_cast<double>(args.x(0)[t * width + i]) * args.x(1)[t * width + i];
        args.y(0)[i] = static_cast<Real>(sum);
    }
}

std::vector<Case> cases_column_dots() {
    const auto make = [](const char * name, Shape s) { return Case{name, {data_in(s), data_in(s)}, {}}; };
    return {make("1", 1), make("33x3", {33, 3}), make("577x65", {577, 65}), make("64x1", {64, 1}),
            make("130x3x5", {130, 3, 5})};
}

double flops_column_dots(const Node & n) {
    return 2.0 * static_cast<double>(n.src[0]->shape.elements());
}

Result<Case> bench_column_dots(const BenchSize & s) {
    return Case{"", {data_in({s.m, s.t}), data_in({s.m, s.t})}, {}};
}

}  // namespace

const OpDef op::column_dots = {
    .number = Op::column_dots,
    .name = "column_dots",
    .formula = "y[i] = sum_t a[i, t] b[i, t]",
    .infer = infer_column_dots,
    .no_grad = "second derivatives are out of scope",
    .reference = reference_column_dots<float>,
    .reference64 = reference_column_dots<double>,
    .cases = cases_column_dots,
    .bench = bench_column_dots,
    .flops = flops_column_dots,
};

}  // namespace ql
