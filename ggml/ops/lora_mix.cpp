// y = (r +) W x + sum_i s_i(t) B_i A_i x: a linear with the branches of several adapters, of which each token has its
// own. Sources W, x, s [n_adapters, T], A_i [k, r_i] and the transpose of B_i [m, r_i] of each branch, and r if there is
// one (the planner adds it).
//
// B comes transposed because its rows, of r numbers, are too short for vectors; so they lie along the result instead.
#include <algorithm>
#include <bit>

#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

constexpr size_t kFirst = 3;  // source of the first branch

size_t n_branches(const Node & n) {
    return (n.src.size() - kFirst) / 2;
}
bool has_rest(const Node & n) {
    return n.src.size() % 2 == 0;
}

Status expect_branch(const Node & n, size_t i, const Shape & w) {
    const int at = static_cast<int>(kFirst + 2 * i);
    QL_TRY(expect_rows(n, at));
    QL_TRY(expect_rows(n, at + 1));
    const Shape &a = n.src[kFirst + 2 * i]->shape, &bt = n.src[kFirst + 2 * i + 1]->shape;
    if (a[0] != w[0]) return shape_error(n, "W and an A differ in row length");
    if (bt[0] != w[1]) return shape_error(n, "W and a B differ in size");
    return a[1] == bt[1] ? Status() : shape_error(n, "an A and its B differ in rank");
}

Status infer_lora_mix(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_weight(n, 0));
    QL_TRY(expect_matrix(n, 1));
    QL_TRY(expect_matrix(n, 2));
    const Shape &w = n.src[0]->shape, &x = n.src[1]->shape, &s = n.src[2]->shape;
    if (x[0] != w[0]) return shape_error(n, "inner sizes differ");
    if (s[1] != x[1]) return shape_error(n, "numbers of tokens differ");
    const uint64_t adapters = n.params.as<LoraMixParams>().adapters;
    if (n_branches(n) < 1 || static_cast<size_t>(std::popcount(adapters)) != n_branches(n))
        return shape_error(n, "each branch needs A, B and an adapter of its own");
    if (s[0] < static_cast<int64_t>(std::bit_width(adapters)) || s[0] > QL_LORA_MIX_MOST)
        return shape_error(n, "a branch's adapter has no factors, or there are more than 64 adapters");
    for (size_t i = 0; i < n_branches(n); ++i) QL_TRY(expect_branch(n, i, w));
    const Shape y(w[1], x[1]);
    const int rest = has_rest(n) ? static_cast<int>(n.src.size()) - 1 : -1;
    if (rest >= 0) QL_TRY(expect_matrix(n, rest));
    if (rest >= 0) QL_TRY(expect_shape(n, rest, y));
    outs.push_back({.shape = y, .may_reuse = rest});
    return {};
}

/// y[:, t] += s B A x[:, t] for each token.
template <typename Real>
void add_branch(const RefArgs<Real> & args, size_t branch, int64_t adapter, std::vector<double> & y) {
    const int at = static_cast<int>(kFirst + 2 * branch);
    const auto a = args.decoded(at), bt = args.decoded(at + 1);
    const int64_t k = args.in(at).ne(0), r = args.in(at).ne(1), m = args.in(at + 1).ne(0), n = args.in(2).ne(0);
    for (int64_t t = 0; t < args.in(1).ne(1); ++t) {
        const double s = static_cast<double>(args.x(2)[t * n + adapter]);
        if (s == 0) continue;
        for (int64_t j = 0; j < r; ++j) {
            double h = 0;
            for (int64_t i = 0; i < k; ++i)
                h += static_cast<double>(a[static_cast<size_t>(j * k + i)]) * static_cast<double>(args.x(1)[t * k + i]);
            for (int64_t i = 0; i < m; ++i)
                y[static_cast<size_t>(t * m + i)] += s * h * static_cast<double>(bt[static_cast<size_t>(j * m + i)]);
        }
    }
}

template <typename Real>
void reference_lora_mix(const RefArgs<Real> & args) {
    const auto w = args.decoded(0);
    const int64_t k = args.in(0).ne(0), m = args.in(0).ne(1), n_tokens = args.in(1).ne(1);
    const Real * rest = has_rest(args.node) ? args.x(static_cast<int>(args.node.src.size()) - 1) : nullptr;
    std::vector<double> y(static_cast<size_t>(m * n_tokens));
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t i = 0; i < m; ++i) {
            double sum = rest ? static_cast<double>(rest[t * m + i]) : 0;
            for (int64_t p = 0; p < k; ++p)
                sum +=
                    static_cast<double>(w[static_cast<size_t>(i * k + p)]) * static_cast<double>(args.x(1)[t * k + p]);
            y[static_cast<size_t>(t * m + i)] = sum;
        }
    uint64_t left = args.template params<LoraMixParams>().adapters;
    for (size_t i = 0; left; ++i, left &= left - 1) add_branch(args, i, std::countr_zero(left), y);
    std::transform(y.begin(), y.end(), args.y(0), [](double v) { return static_cast<Real>(v); });
}

/// Ranks 1, 4, 7 ... of n branches, of every second adapter; runs of so many tokens have the same factors.
struct MixCase {
    const char * name;
    ql_dtype dtype, branches;
    int64_t k, m, t, n, run;
    bool rest;
};

Case make(const MixCase & c) {
    Case made{
        c.name, {frozen_in({c.k, c.m}, c.dtype), data_in({c.k, c.t}), data_in({2 * c.n, c.t}, Fill::factors)}, {}};
    made.in.back().limit = c.run;
    uint64_t adapters = 0;
    for (int64_t i = 0; i < c.n; ++i) {
        adapters |= uint64_t{2} << 2 * i;
        made.in.push_back(frozen_in({c.k, 3 * i + 1}, c.branches, Fill::layer));
        made.in.push_back(frozen_in({c.m, 3 * i + 1}, c.branches));
    }
    if (c.rest) made.in.push_back(data_in({c.m, c.t}));
    made.params = LoraMixParams{adapters};
    return made;
}

std::vector<Case> cases_lora_mix() {
    return {make({"1x1 T1", QL_F32, QL_F32, 1, 1, 1, 1, 1, false}),
            make({"33x5 T1, 3", QL_F32, QL_F32, 33, 5, 1, 3, 1, true}),
            make({"nf4_dq 128x70 T3, 3", QL_NF4_DQ, QL_BF16, 128, 70, 3, 3, 1, true}),
            make({"q8_0 96x33 T4, 2, one run", QL_Q8_0, QL_F16, 96, 33, 4, 2, 4, true}),
            make({"nf4_dq 64x129 T5, 5", QL_NF4_DQ, QL_BF16, 64, 129, 5, 5, 1, false}),
            make({"f32 65x33 T33, 2", QL_F32, QL_F32, 65, 33, 33, 2, 3, false}),
            make({"nf4_dq 192x96 T32, 3, long runs", QL_NF4_DQ, QL_BF16, 192, 96, 32, 3, 9, true}),
            make({"q4_0 64x70 T19, 9, one run", QL_Q4_0, QL_F32, 64, 70, 19, 3, 19, false}),
            make({"q4_0 64x70 T19, 20, one run", QL_Q4_0, QL_F32, 64, 70, 19, 20, 19, true})};
}

double flops_lora_mix(const Node & n) {
    double elements = static_cast<double>(n.src[0]->shape.elements());
    for (size_t i = 0; i < 2 * n_branches(n); ++i) elements += static_cast<double>(n.src[kFirst + i]->shape.elements());
    return 2 * elements * static_cast<double>(n.src[1]->ne(1));  // the most: where no token leaves an adapter out
}

Result<Case> bench_lora_mix(const BenchSize & s) {
    return Case{"",
                {frozen_in({s.k, s.m}, s.dtype, Fill::layer), data_in({s.k, s.t}), data_in({1, s.t}, Fill::positive),
                 frozen_in({s.k, kBenchRank}, QL_BF16, Fill::layer), frozen_in({s.m, kBenchRank}, QL_BF16)},
                LoraMixParams{1}};
}

}  // namespace

const OpDef op::lora_mix = {
    .number = Op::lora_mix,
    .name = "lora_mix",
    .formula = "y = (r +) W x + sum_i s_i(t) B_i A_i x",
    .params = params_type<LoraMixParams>(),
    .build_empty = Empty<ql_lora_mix>::call,
    .infer = infer_lora_mix,
    .no_grad = "it applies finished adapters; training has a branch of its own, lora",
    .products = true,
    .reference = reference_lora_mix<float>,
    .reference64 = reference_lora_mix<double>,
    .cases = cases_lora_mix,
    .bench = bench_lora_mix,
    .flops = flops_lora_mix,
};

}  // namespace ql

using namespace ql;

static ql_tensor * refuse(ql_graph * g, Status why) {
    g->fail(std::move(why));
    return nullptr;
}

extern "C" ql_tensor * ql_lora_mix(ql_graph * g, ql_tensor * w, ql_tensor * x, ql_tensor * s, int n,
                                   const int * adapter, ql_tensor * const * a, ql_tensor * const * bt) {
    return build(g, [&]() -> ql_tensor * {
        if (n < 1 || n > QL_LORA_MIX_MOST || !adapter || !a || !bt)
            return refuse(g, error(QL_INVALID_ARGUMENT, "lora_mix: %d branches, 1 to %d are possible, or one is NULL",
                                   n, QL_LORA_MIX_MOST));
        LoraMixParams params;
        std::vector<ql_tensor *> src = {w, x, s};
        for (int i = 0; i < n; ++i) {
            if (adapter[i] < 0 || adapter[i] >= QL_LORA_MIX_MOST || params.adapters >> adapter[i] != 0)
                return refuse(g, error(QL_INVALID_ARGUMENT, "lora_mix: adapter %d: 0 to %d are possible, ascending",
                                       adapter[i], QL_LORA_MIX_MOST - 1));
            params.adapters |= uint64_t{1} << adapter[i];
            src.insert(src.end(), {a[i], bt[i]});
        }
        return g->emit(op::lora_mix, src, params);
    });
}
