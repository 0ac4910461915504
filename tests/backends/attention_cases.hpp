// Cases of attention with heads of the sizes that the CUDA backend's tensor cores take; several tiles, odd tails.
#pragma once
#include <cmath>

#include "ggml/ops/cases.hpp"
#include "ggml/ops/params.hpp"

namespace ql::test {

struct AttentionSize {
    const char * name;
    int64_t d, n_heads, n_kv, n_tokens, n_keys;
    Fill spans = Fill::spans;
    float cap = 0;
};
inline constexpr AttentionSize kAttentionSizes[] = {
    {"d64 H4/2 T150", 64, 4, 2, 150, 150},
    {"d64 H1/1 T64, causal", 64, 1, 1, 64, 64, Fill::causal},
    {"d80 H3/1 T33", 80, 3, 1, 33, 33},
    {"d96 H2/2 T70 in a window", 96, 2, 2, 70, 70, Fill::windows},
    {"d128 H5/1 T17 of 90, cap 2", 128, 5, 1, 17, 90, Fill::spans, 2},
    {"d256 H2/1 T70, causal, cap 0.5", 256, 2, 1, 70, 70, Fill::causal, 0.5f},
};

inline AttentionParams params_of(const AttentionSize & s) {
    return {1 / std::sqrt(static_cast<float>(s.d)), s.cap};
}
inline Case attention_case(const AttentionSize & s) {
    const Shape q(s.d, s.n_heads, s.n_tokens), k(s.d, s.n_kv, s.n_keys);
    return {s.name, {param_in(q), param_in(k), param_in(k), ints_in({2, s.n_tokens}, s.spans, s.n_keys)}, params_of(s)};
}
inline Case attention_back_case(const AttentionSize & s) {
    const Shape q(s.d, s.n_heads, s.n_tokens), k(s.d, s.n_kv, s.n_keys);
    return {s.name,
            {data_in(q, Fill::layer), data_in(k), data_in(k), data_in(q),
             data_in({s.n_heads, s.n_tokens}, Fill::positive), data_in(q), ints_in({2, s.n_tokens}, s.spans, s.n_keys)},
            params_of(s)};
}
/// With keys of f16, in pages where `page` is not 0.
inline Case cached_attention_case(const char * name, int64_t d, int64_t n_heads, int64_t n_kv, int64_t n_tokens,
                                  int64_t n_keys, int64_t page, int64_t n_pages) {
    const Shape k = page ? Shape(d, n_kv, page, n_pages) : Shape(d, n_kv, n_keys);
    Case c{name,
           {data_in({d, n_heads, n_tokens}), cache_in(k, QL_F16), cache_in(k, QL_F16),
            ints_in({2, n_tokens}, Fill::spans, n_keys)},
           AttentionParams{1 / std::sqrt(static_cast<float>(d))}};
    if (page) c.in.push_back(ints_in(n_keys / page, Fill::distinct, n_pages));
    return c;
}

}  // namespace ql::test
