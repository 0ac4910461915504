// Llama and what is built like it (Llama 1-3, Mistral without a window, SmolLM2, TinyLlama): RMS norm, rotary
// positions, grouped-query attention, SwiGLU, no biases.                                                     (Touvron
// et al. 2023)
#include "models/arch/architecture.hpp"
#include "models/arch/builder.hpp"
#include "models/arch/gguf_keys.hpp"

namespace ql {
namespace {

class Llama : public Architecture {
  public:
    std::string_view name() const override { return "llama"; }

    Status read_hparams(const ql_gguf * file, Hparams & h) const override {
        const GgufKeys keys(file, "llama");
        QL_TRY(keys.size("block_count", h.n_layer));
        QL_TRY(keys.size("embedding_length", h.n_embd));
        QL_TRY(keys.size("attention.head_count", h.n_head));
        QL_TRY(keys.size("attention.head_count_kv", h.n_head_kv, h.n_head));
        QL_TRY(keys.size("attention.key_length", h.head_dim, h.n_head > 0 ? h.n_embd / h.n_head : 0));
        QL_TRY(keys.size("feed_forward_length", h.n_ff));
        QL_TRY(keys.size("context_length", h.n_ctx));
        QL_TRY(keys.size("rope.dimension_count", h.n_rot, h.head_dim));
        QL_TRY(keys.number("attention.layer_norm_rms_epsilon", h.rms_eps));
        QL_TRY(keys.number("rope.freq_base", h.rope_base, 10000.0f));
        h.rope_mode = QL_ROPE_NORMAL;
        return keys.linear_rope(h.rope_scale);
    }

    std::vector<NeededWeight> needed(const Hparams & h) const override {
        const int64_t q = h.n_head * h.head_dim, kv = h.n_head_kv * h.head_dim;
        std::vector<NeededWeight> list = {{"token_embd.weight", h.n_embd, h.n_vocab},
                                          {"output_norm.weight", h.n_embd, 1},
                                          {"output.weight", h.n_embd, h.n_vocab, true},
                                          {"rope_freqs.weight", h.n_rot / 2, 1, true}};
        for (int64_t i = 0; i < h.n_layer; ++i) {
            const std::string b = "blk." + std::to_string(i) + ".";
            list.insert(list.end(), {{b + "attn_norm.weight", h.n_embd, 1},
                                     {b + "attn_q.weight", h.n_embd, q},
                                     {b + "attn_k.weight", h.n_embd, kv},
                                     {b + "attn_v.weight", h.n_embd, kv},
                                     {b + "attn_output.weight", q, h.n_embd},
                                     {b + "ffn_norm.weight", h.n_embd, 1},
                                     {b + "ffn_gate.weight", h.n_embd, h.n_ff},
                                     {b + "ffn_up.weight", h.n_embd, h.n_ff},
                                     {b + "ffn_down.weight", h.n_ff, h.n_embd}});
        }
        return list;
    }

    std::vector<std::string_view> linears() const override {
        return {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
    }

    bool permuted(std::string_view linear) const override { return linear == "attn_q" || linear == "attn_k"; }

    ql_tensor * hidden(GraphBuilder & b) const override {
        ql_tensor * x = b.embed();
        for (int64_t i = 0; i < b.hparams().n_layer; ++i) x = feed_forward(b, i, attention(b, i, x));
        return b.norm("output_norm.weight", x);
    }

  private:
    static ql_tensor * attention(GraphBuilder & b, int64_t layer, ql_tensor * x) {
        const Hparams & h = b.hparams();
        const std::string p = "blk." + std::to_string(layer) + ".";
        ql_tensor * n = b.norm(p + "attn_norm.weight", x);
        ql_tensor * q = b.rotate(b.linear(p + "attn_q.weight", n), h.n_head);
        ql_tensor * k = b.rotate(b.linear(p + "attn_k.weight", n), h.n_head_kv);
        ql_tensor * v = b.linear(p + "attn_v.weight", n);
        return ql_add(b.graph(), x, b.linear(p + "attn_output.weight", b.attend(layer, q, k, v)));
    }

    static ql_tensor * feed_forward(GraphBuilder & b, int64_t layer, ql_tensor * x) {
        const std::string p = "blk." + std::to_string(layer) + ".";
        ql_tensor * n = b.norm(p + "ffn_norm.weight", x);
        ql_tensor * gate = b.linear(p + "ffn_gate.weight", n);
        ql_tensor * up = b.linear(p + "ffn_up.weight", n);
        return ql_add(b.graph(), x, b.linear(p + "ffn_down.weight", ql_swiglu(b.graph(), gate, up)));
    }
};

}  // namespace

const Architecture & llama_architecture() {
    static const Llama instance;
    return instance;
}

}  // namespace ql
