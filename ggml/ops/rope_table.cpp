// cos and sin of the rotary angles, once for all layers: table[2i, t] = m cos(a), table[2i + 1, t] = m sin(a),
// a = pos[t] scale base^(-2i / n_rot) / factors[i].                                            (Su et al. 2021)
// Angles are made in f64: at position 100,000 an f32 product is wrong by a hundredth of a radian.
#include <cmath>

#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status infer_rope_table(const Node & n, std::vector<OutSpec> & outs) {
    const auto p = n.params.as<RopeTableParams>();
    QL_TRY(expect_i32(n, 0));
    const int64_t n_tokens = n.src[0]->ne(0);
    if (n.src[0]->shape != Shape(n_tokens)) return shape_error(n, "positions must have one dimension");
    if (p.n_rot < 2 || p.n_rot % 2)
        return error(QL_INVALID_ARGUMENT, "rope_table: n_rot is %d, it must be even and positive", p.n_rot);
    if (!(p.base > 0) || !std::isfinite(p.base) || !std::isfinite(p.scale) || !std::isfinite(p.magnitude))
        return error(QL_INVALID_ARGUMENT,
                     "rope_table: base %g, scale %g, magnitude %g; all must be finite, and the base positive",
                     static_cast<double>(p.base), static_cast<double>(p.scale), static_cast<double>(p.magnitude));
    if (n.src.size() > 1 && n.src[1]) {
        QL_TRY(expect_f32(n, 1));
        QL_TRY(expect_shape(n, 1, Shape(p.n_rot / 2)));
    }
    outs.push_back({.shape = Shape(p.n_rot, n_tokens)});
    return {};
}

template <typename Real>
void reference_rope_table(const RefArgs<Real> & args) {
    const auto p = args.template params<RopeTableParams>();
    const int64_t n_tokens = args.in(0).ne(0), n_pairs = p.n_rot / 2;
    const double m = p.magnitude;
    for (int64_t i = 0; i < n_pairs; ++i) {
        const double factor = args.has(1) ? static_cast<double>(args.x(1)[i]) : 1.0;
        const double frequency =
            p.scale * std::pow(static_cast<double>(p.base), -2.0 * static_cast<double>(i) / p.n_rot) / factor;
        for (int64_t t = 0; t < n_tokens; ++t) {
            const double angle = args.ids(0)[t] * frequency;
            args.y(0)[t * p.n_rot + 2 * i] = static_cast<Real>(m * std::cos(angle));
            args.y(0)[t * p.n_rot + 2 * i + 1] = static_cast<Real>(m * std::sin(angle));
        }
    }
}

std::vector<Case> cases_rope_table() {
    return {
        {"2x1", {ints_in(1, Fill::positions)}, RopeTableParams{2, 10000, 1, 1}},
        {"6x33", {ints_in(33, Fill::positions)}, RopeTableParams{6, 10000, 0.25f, 1}},
        {"64x65 factors",
         {ints_in(65, Fill::positions), frozen_in(32, QL_F32, Fill::positive)},
         RopeTableParams{64, 500000, 1, 1.25f}},
    };
}

double flops_rope_table(const Node & n) {
    return 4.0 * static_cast<double>(n.out[0]->shape.elements());
}

Result<Case> bench_rope_table(const BenchSize & s) {
    return Case{"", {ints_in(s.t, Fill::positions)}, RopeTableParams{kBenchHead, 10000, 1, 1}};
}

}  // namespace

const OpDef op::rope_table = {
    .number = Op::rope_table,
    .name = "rope_table",
    .formula = "table[2i, t], table[2i + 1, t] = m cos(a), m sin(a); a = pos[t] scale base^(-2i / n_rot) / factors[i]",
    .params = params_type<RopeTableParams>(),
    .build_empty = Empty<ql_rope_table>::call,
    .infer = infer_rope_table,
    .no_grad = "positions are whole numbers",
    .optional = 0b10,
    .reference = reference_rope_table<float>,
    .reference64 = reference_rope_table<double>,
    .cases = cases_rope_table,
    .bench = bench_rope_table,
    .flops = flops_rope_table,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_rope_table(ql_graph * g, ql_tensor * pos, ql_tensor * factors, int n_rot, float base,
                                     float scale, float m) {
    return build(g, [&] { return g->emit(op::rope_table, {pos, factors}, RopeTableParams{n_rot, base, scale, m}); });
}
