// merged = Q(W + s B A), in place: what a linear's weight will be in a file that has the branch merged into it, in the
// type Q of `merged`. Sources merged (a state), W [k, m], A [k, r], B [r, m]; the result is the state's own storage.
// It rounds to the nearest value, or by thresholds (dtypes/dither.hpp).
// The reference computes in f32 whatever Real is: one bit more or less would choose another code.
#include "common/merged_row.hpp"
#include "ggml/dtypes/dither.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ggml/ops/checks.hpp"
#include "ggml/ops/lora_merge_params.hpp"
#include "ql/dither.h"
#include "ql/ops.h"

namespace ql {
namespace {

constexpr int64_t kCaseRank = 3;

Status infer_lora_merge(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_packed_state(n, 0));
    QL_TRY(expect_weight(n, 1));
    QL_TRY(expect_same_shape(n, 0, 1));
    QL_TRY(expect_branch(n, 2, n.src[1]->shape));
    if (n.params.as<LoraMergeParams>().dithers && !find_dither(n.src[0]->dtype))
        return error(QL_BAD_DTYPE, "lora_merge: %s is not encoded with dither", ql_dtype_name(n.src[0]->dtype));
    outs.push_back({.dtype = n.src[0]->dtype, .shape = n.src[0]->shape, .alias = 0});
    return {};
}

template <typename Real>
void reference_lora_merge(const RefArgs<Real> & args) {
    const int64_t k = args.in(1).ne(0), m = args.in(1).ne(1), r = args.in(2).ne(1), n = k * m;
    const auto in_f32 = [](const Real * x, int64_t count) { return std::vector<float>(x, x + count); };
    const std::vector<Real> w = args.decoded(1);
    std::vector<float> merged(w.begin(), w.end());
    const std::vector<float> a = in_f32(args.x(2), k * r), b = in_f32(args.x(3), r * m);
    const auto params = args.template params<LoraMergeParams>();
    const float s = params.scale;
    for (int64_t row = 0; row < m; ++row)
        add_merged_row(merged.data() + row * k, a.data(), b.data() + row * r, k, r, s);
    const DTypeDef & type = *find_dtype(args.in(0).dtype);
    if (type.id == QL_F32)
        std::copy(merged.begin(), merged.end(), args.y(0));
    else
        (void)type.encode(merged.data(), n, args.out[0]);  // it has no way to say that a number cannot be encoded
    if (params.dithers) find_dither(type.id)(merged.data(), n, {params.key}, args.out[0]);
}

Case make_case(const char * name, int64_t k, int64_t m, ql_dtype merged, ql_dtype w, int64_t r = kCaseRank,
               bool dithers = false) {
    return {name,
            {cache_in({k, m}, merged), frozen_in({k, m}, w), param_in({k, r}), param_in({r, m}, Fill::small)},
            LoraMergeParams{0.75f, dithers, 0x5eed}};
}

/// Each type that can be written, of itself and of f32; each type into q8_0; each type that has dither, of f32.
std::vector<Case> cases_lora_merge() {
    std::vector<Case> list = {make_case("nf4 192x33 of f32 r1", 192, 33, QL_NF4, QL_F32, 1),
                              make_case("q4_0 160x7 of f16 r17", 160, 7, QL_Q4_0, QL_F16, 17),
                              make_case("nf4_dq 17536x3 of f32", 17536, 3, QL_NF4_DQ, QL_F32)};
    for (const ProductCase & p : product_cases()) list.push_back(make_case(p.name, p.k, p.m, p.dtype, p.dtype));
    const auto dithered = [&](const char * name, int64_t k, int64_t m, ql_dtype type) {
        list.push_back(make_case(name, k, m, type, QL_F32, 5, true));
    };
    dithered("q4_0 96x33 dithered", 96, 33, QL_Q4_0);
    dithered("q4_1 96x33 dithered", 96, 33, QL_Q4_1);
    dithered("iq4_nl 96x33 dithered", 96, 33, QL_IQ4_NL);
    dithered("nf4 192x33 dithered", 192, 33, QL_NF4);
    dithered("nf4_dq 17536x3 dithered", 17536, 3, QL_NF4_DQ);
    dithered("q4_K 512x5 dithered", 512, 5, QL_Q4_K);
    return list;
}

double flops_lora_merge(const Node & n) {
    return (2.0 * static_cast<double>(n.src[2]->ne(1)) + 2.0) * static_cast<double>(n.src[1]->shape.elements());
}

Result<Case> bench_lora_merge(const BenchSize & s) {
    const DTypeDef * type = find_dtype(s.dtype);
    if (!type || !type->encode) return error(QL_UNSUPPORTED, "%s cannot be written", type ? type->name : "the type");
    return make_case("", s.k, s.m, s.dtype, s.dtype, kBenchRank);
}

}  // namespace

const OpDef op::lora_merge = {
    .number = Op::lora_merge,
    .name = "lora_merge",
    .formula = "merged = Q(W + s B A), in place",
    .params = params_type<LoraMergeParams>(),
    .build_empty = Empty<ql_lora_merge>::call,
    .infer = infer_lora_merge,
    .no_grad = "it changes a state in place; mul_mat_merged has the gradient of A and B",
    .reference = reference_lora_merge<float>,
    .reference64 = reference_lora_merge<double>,
    .cases = cases_lora_merge,
    .bench = bench_lora_merge,
    .flops = flops_lora_merge,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_lora_merge(ql_graph * g, ql_tensor * merged, ql_tensor * w, ql_tensor * a, ql_tensor * b,
                                     float s) {
    return build(g, [&] { return g->emit(op::lora_merge, {merged, w, a, b}, LoraMergeParams{s}); });
}

extern "C" ql_tensor * ql_lora_merge_dithered(ql_graph * g, ql_tensor * merged, ql_tensor * w, ql_tensor * a,
                                              ql_tensor * b, float s, uint32_t key) {
    return build(g, [&] { return g->emit(op::lora_merge, {merged, w, a, b}, LoraMergeParams{s, 1, key}); });
}
