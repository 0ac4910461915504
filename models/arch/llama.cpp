// Llama and what is built like it (Llama 1-3, Mistral without a window, SmolLM2, TinyLlama): RMS norm, rotary
// positions, grouped-query attention, SwiGLU; biases of the linears where a file has them.      (Touvron et al. 2023)
#include "models/files/gguf_keys.hpp"
#include "models/files/weight_names.hpp"
#include "models/graph/builder.hpp"
#include "models/hf/rope.hpp"
#include "models/model/architecture.hpp"

namespace ql {
namespace {

/// Keys of llama files that change nothing here, or nothing as long as they have this value.
constexpr HarmlessKey kHarmless[] = {
    {"vocab_size"},          // known from the embedding
    {"tensor_data_layout"},  // of the file that this one was made from
    {"attention.layer_norm_epsilon"},
    {"rope.scaling.original_context_length"},  // of scalings that are refused
    {"rope.scaling.finetuned"},
    {"attention.causal", 1},
    {"attention.scale", 0},
    {"attention.clamp_kqv", 0},
    {"attention.max_alibi_bias", 0},
    {"attn_logit_softcapping", 0},
    {"final_logit_softcapping", 0},
    {"embedding_scale", 1},
    {"residual_scale", 1},
    {"logit_scale", 1},
    {"use_parallel_residual", 0},
    {"pooling_type", 0},
    {"expert_count", 0},
    {"expert_used_count", 0},
    {"expert_shared_count", 0},
    {"leading_dense_block_count", 0},
    {"interleave_moe_layer_step", 0},
};

// ---- the Hugging Face side

/// "mistral" is the same model, without biases.
constexpr std::string_view kLlama = "llama", kMistral = "mistral";

constexpr HfName kWholeNames[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
};

constexpr HfName kLayerNames[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.bias", "attn_output.bias"},
    {"mlp.gate_proj.bias", "ffn_gate.bias"},
    {"mlp.up_proj.bias", "ffn_up.bias"},
    {"mlp.down_proj.bias", "ffn_down.bias"},
};

constexpr HfNames kHfNames(kWholeNames, kLayerNames);

Status read_shape(const JsonFile & config, Hparams & h) {
    int64_t n_layer = 0;
    LayerShape layer;
    QL_TRY(config.size("num_hidden_layers", n_layer));
    QL_TRY(config.size("hidden_size", h.n_embd));
    QL_TRY(config.size("num_attention_heads", layer.n_head));
    if (layer.n_head < 1) return config.wrong("num_attention_heads", "must be at least 1");
    QL_TRY(config.size("num_key_value_heads", layer.n_head_kv, layer.n_head));
    if (!config.has("head_dim") && h.n_embd % layer.n_head != 0)
        return config.wrong("num_attention_heads", "must divide hidden_size where head_dim is missing");
    QL_TRY(config.size("head_dim", h.head_dim, h.n_embd / layer.n_head));
    QL_TRY(config.size("intermediate_size", layer.n_ff));
    QL_TRY(h.start_layers(n_layer, layer));
    QL_TRY(config.size("vocab_size", h.n_vocab));
    QL_TRY(config.size("max_position_embeddings", h.n_ctx));
    double number = 0;
    QL_TRY(config.number("rms_norm_eps", number, 1e-6));  // transformers' default
    h.rms_eps = static_cast<float>(number);
    QL_TRY(config.number("partial_rotary_factor", number, 1.0));
    if (number != 1.0) return error(QL_UNSUPPORTED, "partial_rotary_factor %g is not supported", number);
    h.rope.n_rot = h.head_dim;
    h.rope.mode = QL_ROPE_NORMAL;  // with rows of q and k in GGUF's order
    return h.check();
}

Status read_biases(const JsonFile & config, HfConfig & out) {
    std::string type;
    QL_TRY(config.text("model_type", type));
    out.biases = {{"attn_", "attention_bias"}, {"ffn_", "mlp_bias"}};
    for (HfBiases & biases : out.biases) QL_TRY(config.flag(biases.key, biases.there, false));
    for (const HfBiases & biases : out.biases)
        if (biases.there && type == kMistral)
            return error(QL_UNSUPPORTED, "a model of type '%s' has no biases, but %s is set", type.c_str(), biases.key);
    return {};
}

/// Settings that change the computation and that this architecture does not have.
Status refuse_variants(const JsonFile & config, int64_t n_ctx) {
    std::string activation;
    QL_TRY(config.text("hidden_act", activation, "silu"));
    if (activation != "silu" && activation != "swish")
        return error(QL_UNSUPPORTED, "hidden_act '%.40s' is not supported, only silu is", activation.c_str());
    int64_t window = 0;
    QL_TRY(config.size("sliding_window", window, n_ctx));
    if (window < n_ctx)
        return error(QL_UNSUPPORTED, "a sliding window of %lld tokens is not supported",
                     static_cast<long long>(window));
    for (const Json & type : config.at("layer_types"))
        if (type != "full_attention")
            return error(QL_UNSUPPORTED, "layer_types: '%.40s' is not supported, only full_attention is",
                         type.is_string() ? type.get_ref<const std::string &>().c_str() : "");
    return {};
}

constexpr const char * kRopeFactors = "rope_freqs.weight";

class Llama : public Architecture {
  public:
    std::string_view name() const override { return "llama"; }

    Status read_hparams(const ql_gguf * file, Hparams & h) const override {
        const GgufKeys keys(file, "llama");
        QL_TRY(keys.size("embedding_length", h.n_embd));
        QL_TRY(read_layers(keys, h));
        QL_TRY(read_head_length(keys, h));
        QL_TRY(keys.size("context_length", h.n_ctx));
        QL_TRY(keys.size("rope.dimension_count", h.rope.n_rot, h.head_dim));
        QL_TRY(keys.number("attention.layer_norm_rms_epsilon", h.rms_eps));
        QL_TRY(keys.number("rope.freq_base", h.rope.base, 10000.0f));
        QL_TRY(keys.number("rope.scaling.attn_factor", h.rope.magnitude, 1.0f));
        h.rope.mode = QL_ROPE_NORMAL;
        h.rope.factors = kRopeFactors;
        QL_TRY(keys.linear_rope(h.rope.scale));
        QL_TRY(refuse_window(keys, h));
        return keys.refuse_unread(kHarmless);
    }

    std::vector<NeededWeight> needed(const Hparams & h) const override {
        std::vector<NeededWeight> list = {{"token_embd.weight", {h.n_embd, h.n_vocab}},
                                          {"output_norm.weight", {h.n_embd}},
                                          {"output.weight", {h.n_embd, h.n_vocab}, true},
                                          {kRopeFactors, {h.rope.n_rot / 2}, true}};
        for (int64_t i = 0; i < h.n_layer(); ++i) {
            const std::string b = layer_prefix(i);
            const LayerShape & layer = h.layer(i);
            const int64_t q = layer.n_head * h.head_dim, kv = layer.n_head_kv * h.head_dim, n_ff = layer.n_ff;
            list.insert(list.end(), {{b + "attn_norm.weight", {h.n_embd}},
                                     {b + "attn_q.weight", {h.n_embd, q}},
                                     {b + "attn_k.weight", {h.n_embd, kv}},
                                     {b + "attn_v.weight", {h.n_embd, kv}},
                                     {b + "attn_output.weight", {q, h.n_embd}},
                                     {b + "ffn_norm.weight", {h.n_embd}},
                                     {b + "ffn_gate.weight", {h.n_embd, n_ff}},
                                     {b + "ffn_up.weight", {h.n_embd, n_ff}},
                                     {b + "ffn_down.weight", {n_ff, h.n_embd}},
                                     {b + "attn_q.bias", {q}, true},
                                     {b + "attn_k.bias", {kv}, true},
                                     {b + "attn_v.bias", {kv}, true},
                                     {b + "attn_output.bias", {h.n_embd}, true},
                                     {b + "ffn_gate.bias", {n_ff}, true},
                                     {b + "ffn_up.bias", {n_ff}, true},
                                     {b + "ffn_down.bias", {h.n_embd}, true}});
        }
        return list;
    }

    std::vector<std::string_view> linears() const override {
        return {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
    }

    ql_tensor * hidden(GraphBuilder & b) const override {
        ql_tensor * x = b.embed();
        for (int64_t i = 0; i < b.hparams().n_layer(); ++i) {
            b.enter_layer(i);
            x = feed_forward(b, i, attention(b, i, x));
        }
        return b.norm("output_norm.weight", x);
    }

    std::vector<std::string_view> hf_model_types() const override { return {kLlama, kMistral}; }

    Status read_hf_config(const JsonFile & config, Hparams & h, HfConfig & out) const override {
        QL_TRY(read_shape(config, h));
        QL_TRY(read_biases(config, out));
        QL_TRY(refuse_variants(config, h.n_ctx));
        QL_ASSIGN(HfRope rope, read_hf_rope(config, h.rope.n_rot));
        h.rope.factors = kRopeFactors;
        h.rope.base = rope.base;
        h.rope.scale = rope.scale;
        out.rope_factors = std::move(rope.factors);
        return {};
    }

    const HfNames & hf_names() const override { return kHfNames; }

    bool permuted(std::string_view linear) const override { return linear == "attn_q" || linear == "attn_k"; }

  private:
    static Status read_layers(const GgufKeys & keys, Hparams & h) {
        int64_t n = 0;
        QL_TRY(keys.size("block_count", n));
        QL_TRY(h.start_layers(n));
        QL_ASSIGN(const std::vector<int64_t> heads, keys.layers("attention.head_count", n));
        std::vector<int64_t> kv_heads = heads;
        if (keys.has_key("attention.head_count_kv")) {
            QL_ASSIGN(kv_heads, keys.layers("attention.head_count_kv", n));
        }
        QL_ASSIGN(const std::vector<int64_t> ff, keys.layers("feed_forward_length", n));
        for (size_t i = 0; i < h.layers.size(); ++i) h.layers[i] = {heads[i], kv_heads[i], ff[i]};
        return {};
    }

    /// The length of a head is the same in all layers; where a file does not say it, the first layer's heads give it.
    static Status read_head_length(const GgufKeys & keys, Hparams & h) {
        const int64_t n_head = h.layers[0].n_head, whole = n_head > 0 ? h.n_embd / n_head : 0;
        QL_TRY(keys.size("attention.key_length", h.head_dim, whole * n_head == h.n_embd ? whole : 0));
        if (h.head_dim == 0)
            return error(QL_BAD_FILE, "llama.attention.key_length is missing, and %lld heads do not divide %lld",
                         static_cast<long long>(n_head), static_cast<long long>(h.n_embd));
        int64_t value_length = 0;
        QL_TRY(keys.size("attention.value_length", value_length, h.head_dim));
        if (value_length == h.head_dim) return {};
        return error(QL_UNSUPPORTED,
                     "llama.attention.value_length is %lld, the key length is %lld; only equal ones are "
                     "supported",
                     static_cast<long long>(value_length), static_cast<long long>(h.head_dim));
    }

    static Status refuse_window(const GgufKeys & keys, const Hparams & h) {
        int64_t window = 0;
        QL_TRY(keys.size("attention.sliding_window", window, 0));
        if (window == 0 || window >= h.n_ctx) return {};
        return error(QL_UNSUPPORTED, "llama.attention.sliding_window: a window of %lld tokens is not supported",
                     static_cast<long long>(window));
    }

    static ql_tensor * attention(GraphBuilder & b, int64_t layer, ql_tensor * x) {
        const LayerShape & shape = b.hparams().layer(layer);
        const Rope & rope = b.hparams().rope;
        const std::string p = layer_prefix(layer);
        ql_tensor * n = b.norm(p + "attn_norm.weight", x);
        ql_tensor * q = b.rotate(b.linear(p + "attn_q.weight", n), shape.n_head, rope);
        ql_tensor * k = b.rotate(b.linear(p + "attn_k.weight", n), shape.n_head_kv, rope);
        ql_tensor * v = b.linear(p + "attn_v.weight", n);
        return ql_add(b.graph(), x, b.linear(p + "attn_output.weight", b.attend(layer, q, k, v)));
    }

    static ql_tensor * feed_forward(GraphBuilder & b, int64_t layer, ql_tensor * x) {
        const std::string p = layer_prefix(layer);
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
