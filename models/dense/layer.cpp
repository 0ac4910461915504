#include "models/dense/layer.hpp"

#include "models/files/weight_names.hpp"

namespace ql {
namespace {

ql_tensor * norm_if_there(GraphBuilder & b, const std::string & name, ql_tensor * x) {
    return b.has(name) ? b.norm(name, x) : x;
}

/// The stream and what a half of the layer adds to it.
ql_tensor * add_half(GraphBuilder & b, ql_tensor * x, ql_tensor * half, const std::string & post_norm) {
    return ql_add(b.graph(), x, b.scaled(norm_if_there(b, post_norm, half), b.hparams().residual_scale));
}

struct Qkv {
    ql_tensor *q, *k, *v;
};

/// Rows [first, first + n) of a product, with a bias of their own where the model has one.
ql_tensor * rows_of(GraphBuilder & b, ql_tensor * y, int64_t first, int64_t n, const std::string & bias) {
    ql_tensor * part = ql_slice(b.graph(), y, 0, first, n);
    return b.has(bias) ? ql_add(b.graph(), part, b.weight(bias)) : part;
}

Qkv fused_qkv(GraphBuilder & b, const std::string & p, const LayerShape & shape, ql_tensor * x) {
    const int64_t q = shape.n_head * b.hparams().head_dim, kv = shape.n_head_kv * b.hparams().head_dim;
    ql_tensor * y = b.linear(p + "attn_qkv.weight", x);
    return {rows_of(b, y, 0, q, p + "attn_q.bias"), rows_of(b, y, q, kv, p + "attn_k.bias"),
            rows_of(b, y, q + kv, kv, p + "attn_v.bias")};
}

/// Heads of q or k, normalised and rotated as the layer does it.
ql_tensor * prepare(GraphBuilder & b, const DenseTraits & traits, int64_t layer, ql_tensor * x, int64_t n_head,
                    const std::string & norm) {
    if (traits.qk_norm == QkNorm::row) x = b.norm(norm, x);
    if (traits.qk_norm == QkNorm::head) x = b.norm(norm, b.heads(x, n_head));
    const Rope * rope = b.hparams().rope_of(layer);
    return rope ? b.rotate(x, n_head, *rope) : b.heads(x, n_head);
}

ql_tensor * gated(ql_graph * g, Gate gate, ql_tensor * x, ql_tensor * up) {
    return gate == Gate::silu ? ql_swiglu(g, x, up) : ql_mul(g, ql_unary(g, x, QL_UNARY_GELU_TANH), up);
}

}  // namespace

ql_tensor * add_attention(GraphBuilder & b, const DenseTraits & traits, int64_t layer, ql_tensor * x) {
    const LayerShape & shape = b.hparams().layer(layer);
    const std::string p = layer_prefix(layer);
    ql_tensor * n = norm_if_there(b, p + "attn_norm.weight", x);
    const bool fused = b.has(p + "attn_qkv.weight");
    const Qkv one = fused ? fused_qkv(b, p, shape, n) : Qkv{};
    ql_tensor * q = fused ? one.q : b.linear(p + "attn_q.weight", n);
    q = prepare(b, traits, layer, q, shape.n_head, p + "attn_q_norm.weight");
    if (b.has(kPositionFactors)) q = b.by_position(kPositionFactors, q);
    ql_tensor * k = fused ? one.k : b.linear(p + "attn_k.weight", n);
    k = prepare(b, traits, layer, k, shape.n_head_kv, p + "attn_k_norm.weight");
    ql_tensor * v = fused ? one.v : b.linear(p + "attn_v.weight", n);
    return add_half(b, x, b.linear(p + "attn_output.weight", b.attend(layer, q, k, v)),
                    p + "post_attention_norm.weight");
}

ql_tensor * add_feed_forward(GraphBuilder & b, const DenseTraits & traits, int64_t layer, ql_tensor * x) {
    const int64_t n_ff = b.hparams().layer(layer).n_ff;
    const std::string p = layer_prefix(layer), fused = p + "ffn_gate_up.weight";
    ql_tensor * n = norm_if_there(b, p + "ffn_norm.weight", x);
    ql_tensor *gate = nullptr, *up = nullptr;
    if (const bool in_one = b.has(fused); in_one || traits.gate_in_up) {
        ql_tensor * y = b.linear(in_one ? fused : p + "ffn_up.weight", n);
        gate = ql_slice(b.graph(), y, 0, 0, n_ff);
        up = ql_slice(b.graph(), y, 0, n_ff, n_ff);
    } else {
        gate = b.linear(p + "ffn_gate.weight", n);
        up = b.linear(p + "ffn_up.weight", n);
    }
    ql_tensor * product = gated(b.graph(), traits.gate, gate, up);
    return add_half(b, x, b.linear(p + "ffn_down.weight", product), p + "post_ffw_norm.weight");
}

}  // namespace ql
