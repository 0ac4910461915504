// The gradients of attention, from its result o and lse rather than from stored probabilities:    (Dao et al. 2022)
//     p[j] = exp(scale q . k[j] - lse);   c = do . o;   ds[j] = p[j] (do . v[j] - c);
//     dq = scale sum_j ds[j] k[j];   dk[j] = scale sum ds[j] q;   dv[j] = sum p[j] do;
// with a soft cap, p[j] = exp(s[j] - lse), s[j] = cap tanh(scale q . k[j] / cap), and ds[j] times 1 - (s[j] / cap)^2;
// the sums of dk and dv over all queries and all heads that share the key's head.
// Sources q, k, v, o, lse, do, span; results dq, dk, dv. A key that no query sees has gradient zero.
#include <cmath>

#include "ggml/ops/attention.hpp"
#include "ggml/ops/cases.hpp"

namespace ql {
namespace {

Status infer_attention_back(const Node & n, std::vector<OutSpec> & outs) {
    QL_TRY(check_attention(n, 6));
    for (int i = 3; i < 6; ++i) QL_TRY(expect_f32(n, i));
    QL_TRY(expect_same_shape(n, 0, 3));
    QL_TRY(expect_same_shape(n, 0, 5));
    const Shape & q = n.src[0]->shape;
    QL_TRY(expect_shape(n, 4, Shape(q[1], q[2])));
    for (size_t i = 0; i < 3; ++i) outs.push_back({.shape = n.src[i]->shape});
    return {};
}

template <typename Real>
double dot(const Real * a, const Real * b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
    return sum;
}

template <typename Real>
void reference_attention_back(const RefArgs<Real> & a) {
    const int64_t d = a.in(0).ne(0), n_heads = a.in(0).ne(1), n_tokens = a.in(0).ne(2);
    const int64_t n_kv = a.in(1).ne(1), n_keys = a.in(1).ne(2);
    const auto params = a.template params<AttentionParams>();
    const double scale = params.scale, cap = params.cap;
    std::vector<double> dq(static_cast<size_t>(d)), dk(static_cast<size_t>(d * n_kv * n_keys)), dv(dk.size());
    for (int64_t t = 0; t < n_tokens; ++t)
        for (int64_t h = 0; h < n_heads; ++h) {
            const int64_t row = (t * n_heads + h) * d, kv = h / (n_heads / n_kv);
            const Real *q = a.x(0) + row, *d_o = a.x(5) + row;
            const double c = dot(d_o, a.x(3) + row, d), lse = a.x(4)[t * n_heads + h];
            const KeyRange range = key_range(a.ids(6), t, n_keys);
            dq.assign(dq.size(), 0);
            for (int64_t j = range.begin; j < range.end; ++j) {
                const int64_t key = (j * n_kv + kv) * d;
                const double s = soft_capped(scale * dot(q, a.x(1) + key, d), cap), p = std::exp(s - lse);
                const double ds = scale * soft_cap_slope(s, cap) * p * (dot(d_o, a.x(2) + key, d) - c);
                for (int64_t i = 0; i < d; ++i) {
                    dq[static_cast<size_t>(i)] += ds * a.x(1)[key + i];
                    dk[static_cast<size_t>(key + i)] += ds * q[i];
                    dv[static_cast<size_t>(key + i)] += p * d_o[i];
                }
            }
            for (int64_t i = 0; i < d; ++i) a.y(0)[row + i] = static_cast<Real>(dq[static_cast<size_t>(i)]);
        }
    for (size_t i = 0; i < dk.size(); ++i) {
        a.y(1)[i] = static_cast<Real>(dk[i]);
        a.y(2)[i] = static_cast<Real>(dv[i]);
    }
}

std::vector<Case> cases_attention_back() {
    const auto make = [](const char * name, int64_t d, int64_t n_heads, int64_t n_kv, int64_t n_tokens,
                         int64_t n_keys) {
        const Shape q(d, n_heads, n_tokens), k(d, n_kv, n_keys);
        return Case{
            name,
            {data_in(q, Fill::layer), data_in(k), data_in(k), data_in(q), data_in({n_heads, n_tokens}, Fill::positive),
             data_in(q), ints_in({2, n_tokens}, Fill::spans, n_keys)},
            AttentionParams{1 / std::sqrt(static_cast<float>(d))}};
    };
    const auto windows = [](Case c) {
        c.in[6].fill = Fill::windows;
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
            windows(make("d16 H6/2 T70 in a window", 16, 6, 2, 70, 70)),
            capped(make("d16 H6/2 T33, cap 0.5", 16, 6, 2, 33, 33), 0.5f),
            capped(windows(make("d33 H3/1 T70 in a window, cap 2", 33, 3, 1, 70, 70)), 2.0f)};
}

double flops_attention_back(const Node & n) {
    return attention_flops(n, 5);
}

Result<Case> bench_attention_back(const BenchSize & s) {
    QL_ASSIGN(const int64_t heads, bench_heads(s));
    const Shape q(kBenchHead, heads, s.t), k(kBenchHead, bench_kv_heads(heads), s.t);
    return Case{"",
                {data_in(q), data_in(k), data_in(k), data_in(q), data_in({heads, s.t}, Fill::positive), data_in(q),
                 ints_in({2, s.t}, Fill::causal, s.t)},
                AttentionParams{0.125f}};
}

}  // namespace

const OpDef op::attention_back = {
    .number = Op::attention_back,
    .name = "attention_back",
    .formula =
        "p = exp(scale q.k - lse); ds = p (do.v - do.o); dq = scale sum ds k; dk = scale sum ds q; dv = sum p do",
    .params = params_type<AttentionParams>(),
    .infer = infer_attention_back,
    .no_grad = "second derivatives are out of scope",
    .products = true,
    .reference = reference_attention_back<float>,
    .reference64 = reference_attention_back<double>,
    .cases = cases_attention_back,
    .bench = bench_attention_back,
    .flops = flops_attention_back,
};

}  // namespace ql
