// What all kernels of attention take: the heads, where keys lie, and what the backward pass has.
#pragma once
#include "backends/cuda/ops/elements.cuh"
#include "ggml/ops/attention.hpp"

namespace ql::cuda {

/// Queries f32 [d, H, T], and which keys each of them sees.
struct Heads {
    const float * q;
    const int32_t * span;
    int64_t d, n_heads, n_kv, n_tokens, n_keys;
    float scale, cap;
    __device__ KeyRange keys_of(int64_t t) const { return key_range(span, t, n_keys); }
    __device__ float score(float dot) const {
        const float s = scale * dot;
        return cap > 0 ? cap * tanhf(s / cap) : s;
    }
    __device__ float slope(float score) const { return cap > 0 ? 1 - score / cap * (score / cap) : 1; }
};

inline Heads heads_of(const Launch & l, int span) {
    const auto p = l.params<AttentionParams>();
    return {l.x(0),        l.ids(span),        l.in(0).ne(0), l.in(0).ne(1), l.in(1).ne(1),
            l.in(0).ne(2), count_keys(l.node), p.scale,       p.cap};
}

/// Keys or values, in pages or one after the other.
struct Cache {
    Numbers numbers;
    KeyRows rows;
};
inline Cache cache_of(const Launch & l, int i) {
    return {numbers(l, i), key_rows(l.node, has_pages(l.node) ? l.ids(kPageTable) : nullptr)};
}

/// Of the backward pass.
struct Gradient {
    Heads h;
    const float *k, *v, *o, *lse, *d_o;
    float *dq, *dk, *dv;
};
inline Gradient gradient_of(const Launch & l) {
    return {heads_of(l, 6), l.x(1), l.x(2), l.x(3), l.x(4), l.x(5), l.y(0), l.y(1), l.y(2)};
}

// On tensor cores, operands rounded to bf16 (forward.cu, backward.cu).

/// Whether those kernels take the node on a device that rounds: heads of these sizes, and tokens enough to fill a tile.
bool is_for_tensor_cores(const Node & n);
/// The same, at the addresses of a launch: numbers are read by fours.
bool is_for_tensor_cores(const Launch & l);
size_t tensor_attention_scratch(const Node & n);
Status tensor_attention(const Launch & l);
size_t tensor_attention_back_scratch(const Node & n);
Status tensor_attention_back(const Launch & l);

}  // namespace ql::cuda
