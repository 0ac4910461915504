// o[:, h, t] = sum_j softmax_j(scale q[:, h, t] . k[:, h', j]) v[:, h', j] over the keys j in [span[0, t], span[1, t]),
// h' = h / (H / H_kv); with a soft cap, over cap tanh(scale q . k / cap).
//                                                             (Dao et al. 2022; Milakov & Gimelshein 2018)
// Sources q, k, v, span; results o [d, H, T] and lse [H, T], the natural logarithm of the sum of exp(scale q . k), from
// which the backward pass computes the probabilities again. An empty range gives o = 0 and lse = 0.
// k and v are f32, or f16 as a cache holds them (kv_store); no gradient flows to those.
//
// A fifth source is a table of pages: k and v are then [d, H_kv, n, P], and key j is key j % n of page pages[j / n].
// Nothing else knows of pages: a span names keys, and sequences of one batch are ranges of the table.
#include "ggml/ops/attention.hpp"

#include <bit>
#include <cmath>

#include "ggml/grad/grad.hpp"
#include "ggml/graph/build.hpp"
#include "ggml/ops/cases.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

Status check_pages(const Node & n) {
    QL_TRY(expect_i32(n, kPageTable));
    const int64_t page = n.src[1]->ne(2), n_entries = n.src[kPageTable]->ne(0);
    QL_TRY(expect_shape(n, kPageTable, Shape(n_entries)));
    if (page < kLeastPage || !std::has_single_bit(static_cast<uint64_t>(page)))
        return shape_error(n, "the keys of a page must be a power of two, 64 or more");
    if (n_entries > INT32_MAX / page) return shape_error(n, "the table names more keys than a span can count");
    return {};
}

Status infer_attention(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(expect_f32(n, 0));
    QL_TRY(expect_f32_or_f16(n, 1));
    if (n.src[1]->dtype != n.src[2]->dtype) return error(QL_BAD_DTYPE, "attention: k and v differ in type");
    QL_TRY(has_pages(n) ? check_attention_heads(n, 3) : check_attention_shapes(n, 3));
    if (has_pages(n)) QL_TRY(check_pages(n));
    QL_TRY(check_attention_params(n));
    const Shape & q = n.src[0]->shape;
    outs.push_back({.shape = q});
    outs.push_back({.shape = Shape(q[1], q[2])});
    return {};
}

Status backward_attention(GradBuilder & b, const GraphNode & n) {
    Tensor *q = n.source(0), *k = n.source(1), *v = n.source(2), *span = n.source(3);
    if (has_pages(n)) return error(QL_UNSUPPORTED, "attention: no gradient flows through a cache of pages");
    if (k->dtype != QL_F32) return error(QL_UNSUPPORTED, "attention: no gradient flows through a cache of f16");
    Tensor * d_o = b.gradient(n.result(0));
    if (!d_o || b.gradient(n.result(1)))
        return error(QL_UNSUPPORTED, "attention: the gradient flows through o, not lse");
    Tensor * back = b.graph().emit(op::attention_back,
                                   {b.value(q), b.value(k), b.value(v), n.result(0), n.result(1), d_o, span}, n.params);
    if (!back) return b.graph().status();
    for (size_t i = 0; i < 3; ++i) b.add(n.source(i), back->producer->result(i));
    return {};
}

template <typename Real>
void reference_attention(const RefArgs<Real> & a) {
    const int64_t d = a.in(0).ne(0), n_heads = a.in(0).ne(1), n_tokens = a.in(0).ne(2);
    const int64_t n_kv = a.in(1).ne(1), n_keys = count_keys(a.node);
    const KeyRows rows = key_rows(a.node, a.has(kPageTable) ? a.ids(kPageTable) : nullptr);
    const auto params = a.template params<AttentionParams>();
    const double scale = params.scale, cap = params.cap;
    const std::vector<Real> keys = a.decoded(1), values = a.decoded(2);
    std::vector<double> score(static_cast<size_t>(n_keys)), o(static_cast<size_t>(d));
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t h = 0; h < n_heads; ++h) {
            const Real * q = a.x(0) + (t * n_heads + h) * d;
            const int64_t kv = h / (n_heads / n_kv);
            const KeyRange range = key_range(a.ids(3), t, n_keys);
            double top = -INFINITY, sum = 0;
            for (int64_t j = range.begin; j < range.end; ++j) {
                const Real * k = keys.data() + (rows.row(j) * n_kv + kv) * d;
                double dot = 0;
                for (int64_t i = 0; i < d; ++i) dot += static_cast<double>(q[i]) * k[i];
                score[static_cast<size_t>(j)] = soft_capped(scale * dot, cap);
                top = std::max(top, score[static_cast<size_t>(j)]);
            }
            o.assign(o.size(), 0);
            for (int64_t j = range.begin; j < range.end; ++j) {
                const double p = std::exp(score[static_cast<size_t>(j)] - top);
                const Real * v = values.data() + (rows.row(j) * n_kv + kv) * d;
                sum += p;
                for (int64_t i = 0; i < d; ++i) o[static_cast<size_t>(i)] += p * v[i];
            }
            const bool empty = range.begin == range.end;
            for (int64_t i = 0; i < d; ++i)
                a.y(0)[(t * n_heads + h) * d + i] =
                    empty ? Real(0) : static_cast<Real>(o[static_cast<size_t>(i)] / sum);
            a.y(1)[t * n_heads + h] = empty ? Real(0) : static_cast<Real>(top + std::log(sum));
        }
}

std::vector<Case> cases_attention() {
    const auto make = [](const char * name, int64_t d, int64_t n_heads, int64_t n_kv, int64_t n_tokens,
                         int64_t n_keys) {
        return Case{name,
                    {param_in({d, n_heads, n_tokens}), param_in({d, n_kv, n_keys}), param_in({d, n_kv, n_keys}),
                     ints_in({2, n_tokens}, Fill::spans, n_keys)},
                    AttentionParams{1 / std::sqrt(static_cast<float>(d))}};
    };
    const auto cached = [&](const char * name, int64_t d, int64_t n_heads, int64_t n_kv, int64_t n_tokens,
                            int64_t n_keys) {
        Case c = make(name, d, n_heads, n_kv, n_tokens, n_keys);
        c.in[0] = data_in(c.in[0].shape);
        for (const size_t i : {1, 2}) c.in[i] = cache_in(c.in[i].shape, QL_F16);
        return c;
    };
    const auto paged = [&](const char * name, int64_t d, int64_t n_heads, int64_t n_kv, int64_t n_tokens,
                           int64_t n_entries, int64_t page, int64_t n_pages, ql_dtype type) {
        Case c = make(name, d, n_heads, n_kv, n_tokens, n_entries * page);
        c.in[0] = data_in(c.in[0].shape);
        for (const size_t i : {1, 2}) c.in[i] = cache_in({d, n_kv, page, n_pages}, type);
        c.in.push_back(ints_in(n_entries, Fill::distinct, n_pages));
        return c;
    };
    const auto windows = [](Case c) {
        c.in[3].fill = Fill::windows;
        return c;
    };
    const auto capped = [](Case c, float cap) {
        c.params = AttentionParams{c.params.as<AttentionParams>().scale, cap};
        return c;
    };
    return {make("d1 H1 T1", 1, 1, 1, 1, 1),
            make("d3 H2/1 T5", 3, 2, 1, 5, 5),
            make("d16 H6/2 T33", 16, 6, 2, 33, 33),
            make("d64 H3/3 T65", 64, 3, 3, 65, 65),
            make("d33 H3/1 T3 of 65", 33, 3, 1, 3, 65),
            make("d64 H9/3 T1 of 130", 64, 9, 3, 1, 130),
            cached("f16 d64 H9/3 T1 of 130", 64, 9, 3, 1, 130),
            cached("f16 d33 H3/1 T3 of 65", 33, 3, 1, 3, 65),
            cached("f16 d16 H6/2 T33 of 70", 16, 6, 2, 33, 70),
            cached("f16 d33 H2/1 T9 of 65", 33, 2, 1, 9, 65),
            paged("f16 d64 H9/3 T1, 5 pages of 7", 64, 9, 3, 1, 5, 64, 7, QL_F16),
            paged("f32 d33 H3/1 T3, 2 pages of 3", 33, 3, 1, 3, 2, 64, 3, QL_F32),
            paged("f16 d16 H6/2 T33, 3 pages of 3", 16, 6, 2, 33, 3, 64, 3, QL_F16),
            paged("f32 d33 H2/1 T9, 2 pages of 2", 33, 2, 1, 9, 2, 128, 2, QL_F32),
            windows(make("d16 H6/2 T70 in a window", 16, 6, 2, 70, 70)),
            windows(make("d33 H3/1 T3 of 300 in a window", 33, 3, 1, 3, 300)),
            windows(cached("f16 d33 H4/2 T11 of 150 in a window", 33, 4, 2, 11, 150)),
            capped(make("d16 H6/2 T33, cap 0.5", 16, 6, 2, 33, 33), 0.5f),
            capped(make("d33 H3/1 T3 of 65, cap 0.5", 33, 3, 1, 3, 65), 0.5f),
            capped(windows(make("d64 H3/3 T65 in a window, cap 2", 64, 3, 3, 65, 65)), 2.0f),
            capped(cached("f16 d64 H9/3 T1 of 130, cap 0.5", 64, 9, 3, 1, 130), 0.5f),
            capped(cached("f16 d16 H6/2 T33 of 70, cap 0.5", 16, 6, 2, 33, 70), 0.5f),
            capped(paged("f16 d64 H9/3 T1, 5 pages of 7, cap 0.5", 64, 9, 3, 1, 5, 64, 7, QL_F16), 0.5f)};
}

double flops_attention(const Node & n) {
    return attention_flops(n, 2);
}

Result<Case> bench_attention(const BenchSize & s) {
    QL_ASSIGN(const int64_t heads, bench_heads(s));
    const Shape q(kBenchHead, heads, s.t), k(kBenchHead, bench_kv_heads(heads), s.t);
    return Case{
        "", {data_in(q), data_in(k), data_in(k), ints_in({2, s.t}, Fill::causal, s.t)}, AttentionParams{0.125f}};
}

}  // namespace

const OpDef op::attention = {
    .number = Op::attention,
    .name = "attention",
    .formula =
        "o[:, h, t] = sum_j softmax_j(c(scale q[:, h, t] . k[:, h', j])) v[:, h', j], j in the span of t, c a soft cap",
    .params = params_type<AttentionParams>(),
    .build_empty = Empty<ql_attention>::call,
    .infer = infer_attention,
    .backward = backward_attention,
    .differentiable = 0b111,
    .products = true,
    .reference = reference_attention<float>,
    .reference64 = reference_attention<double>,
    .cases = cases_attention,
    .bench = bench_attention,
    .flops = flops_attention,
};

}  // namespace ql

using namespace ql;

extern "C" ql_tensor * ql_attention(ql_graph * g, ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span,
                                    float scale) {
    return build(g, [&] { return g->emit(op::attention, {q, k, v, span}, AttentionParams{scale}); });
}

extern "C" ql_tensor * ql_attention_capped(ql_graph * g, ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span,
                                           ql_tensor * pages, float scale, float cap) {
    return build(g, [&]() -> Tensor * {
        if (!(cap > 0)) return g->fail(soft_cap_error("attention", cap)), nullptr;
        if (!pages) return g->emit(op::attention, {q, k, v, span}, AttentionParams{scale, cap});
        return g->emit(op::attention, {q, k, v, span, pages}, AttentionParams{scale, cap});
    });
}

extern "C" ql_tensor * ql_attention_paged(ql_graph * g, ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span,
                                          ql_tensor * pages, float scale) {
    return build(g, [&] { return g->emit(op::attention, {q, k, v, span, pages}, AttentionParams{scale}); });
}
