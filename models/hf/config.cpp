#include "models/hf/config.hpp"

#include <cmath>
#include <numbers>

#include "models/hf/harmless_fields.hpp"

namespace ql {
namespace {

/// model_type -> architecture. A row here promises that the weights of both have the same meaning.
struct ModelType {
    const char * hf;
    const char * architecture;
    bool may_have_biases;
};
constexpr ModelType kModelTypes[] = {{"llama", "llama", true}, {"mistral", "llama", false}};

Result<ModelType> find_model_type(const JsonFile & config) {
    std::string type, known;
    QL_TRY(config.text("model_type", type));
    for (const ModelType & row : kModelTypes) {
        if (type == row.hf) return row;
        known += (known.empty() ? "" : ", ") + std::string(row.hf);
    }
    return error(QL_UNSUPPORTED, "model_type '%.60s' is not supported in Hugging Face directories; supported: %s",
                 type.c_str(), known.c_str());
}

/// A class of another head or of no causal order computes something else with the same weights.
Status check_classes(const JsonFile & config) {
    if (!config.has("architectures")) return {};
    if (!config.at("architectures").is_array()) return config.wrong("architectures", "must be a list");
    for (const Json & name : config.at("architectures")) {
        const std::string text = name.is_string() ? name.get<std::string>() : "";
        if (!text.ends_with("ForCausalLM"))
            return error(QL_UNSUPPORTED, "architectures: '%.60s' is not supported, only classes ...ForCausalLM are",
                         text.c_str());
    }
    return {};
}

Status read_biases(const JsonFile & config, const ModelType & type, HfConfig & out) {
    QL_TRY(config.flag("attention_bias", out.attention_bias, false));
    QL_TRY(config.flag("mlp_bias", out.mlp_bias, false));
    if (type.may_have_biases || (!out.attention_bias && !out.mlp_bias)) return {};
    return error(QL_UNSUPPORTED, "a model of type '%s' has no biases, but %s is set", type.hf,
                 out.attention_bias ? "attention_bias" : "mlp_bias");
}

Status refuse_quantised(const JsonFile & config) {
    if (config.has("quantization_config"))
        return error(
            QL_UNSUPPORTED,
            "quantised checkpoints (quantization_config) are not supported; use the unquantised one or a GGUF file");
    if (config.has("quantization"))
        return error(QL_UNSUPPORTED,
                     "this is a quantised MLX directory (quantization), which is not supported; use the unquantised "
                     "model or a GGUF file");
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

Status read_shape(const JsonFile & config, Hparams & h) {
    QL_TRY(config.size("num_hidden_layers", h.n_layer));
    QL_TRY(config.size("hidden_size", h.n_embd));
    QL_TRY(config.size("num_attention_heads", h.n_head));
    if (h.n_head < 1) return config.wrong("num_attention_heads", "must be at least 1");
    QL_TRY(config.size("num_key_value_heads", h.n_head_kv, h.n_head));
    if (!config.has("head_dim") && h.n_embd % h.n_head != 0)
        return config.wrong("num_attention_heads", "must divide hidden_size where head_dim is missing");
    QL_TRY(config.size("head_dim", h.head_dim, h.n_embd / h.n_head));
    QL_TRY(config.size("intermediate_size", h.n_ff));
    QL_TRY(config.size("vocab_size", h.n_vocab));
    QL_TRY(config.size("max_position_embeddings", h.n_ctx));
    double number = 0;
    QL_TRY(config.number("rms_norm_eps", number, 1e-6));  // transformers' default
    h.rms_eps = static_cast<float>(number);
    QL_TRY(config.number("partial_rotary_factor", number, 1.0));
    if (number != 1.0) return error(QL_UNSUPPORTED, "partial_rotary_factor %g is not supported", number);
    h.n_rot = h.head_dim;
    h.rope_mode = QL_ROPE_NORMAL;  // with rows of q and k in GGUF's order
    return h.check();
}

Status read_llama3(const JsonFile & config, const JsonFile & rope, HfConfig & out) {
    Llama3Scaling s{};
    double declared = 0;
    QL_TRY(rope.number("factor", s.factor));
    QL_TRY(rope.number("low_freq_factor", s.low_freq_factor));
    QL_TRY(rope.number("high_freq_factor", s.high_freq_factor));
    QL_TRY(config.number("original_max_position_embeddings", declared, 0.0));
    QL_TRY(rope.number("original_max_position_embeddings", s.original_context,
                       declared > 0 ? std::optional<double>(declared) : std::nullopt));
    if (!(s.factor > 0 && s.low_freq_factor > 0 && s.high_freq_factor > s.low_freq_factor && s.original_context > 0))
        return rope.wrong("high_freq_factor",
                          "and the other numbers of llama3 scaling must be positive, high over low");
    out.rope_factors = llama3_rope_factors(s, static_cast<double>(out.hparams.rope_base), out.hparams.n_rot);
    return {};
}

Status read_rope_kind(const JsonFile & config, const JsonFile & rope, HfConfig & out) {
    std::string type;
    double factor = 1, rotary = 1;
    QL_TRY(rope.text("type", type, "default"));  // the key's older name
    QL_TRY(rope.text("rope_type", type, type));
    QL_TRY(rope.number("partial_rotary_factor", rotary, 1.0));
    if (rotary != 1) return rope.wrong("partial_rotary_factor", "must be 1");
    if (type == "default") return {};
    if (type == "llama3") return read_llama3(config, rope, out);
    if (type != "linear")
        return error(QL_UNSUPPORTED, "rope type '%.40s' is not supported; supported: default, linear, llama3",
                     type.c_str());
    QL_TRY(rope.number("factor", factor));
    if (!(factor > 0)) return rope.wrong("factor", "must be positive");
    out.hparams.rope_scale = static_cast<float>(1.0 / factor);
    return {};
}

/// rope_parameters (transformers 5), or rope_theta beside rope_scaling (before).
Status read_rope(const JsonFile & config, HfConfig & out) {
    for (const char * key : {"rope_parameters", "rope_scaling"})
        if (config.has(key) && !config.has_object(key)) return config.wrong(key, "must be an object");
    const bool both = config.has("rope_parameters") && config.has("rope_scaling");
    if (both && config.at("rope_parameters") != config.at("rope_scaling"))
        return config.wrong("rope_scaling", "and 'rope_parameters' say different things; take one out");
    const JsonFile rope = config.part(config.has("rope_parameters") ? "rope_parameters" : "rope_scaling");
    double base = 0;
    QL_TRY(config.number("rope_theta", base, 10000.0));
    QL_TRY(rope.number("rope_theta", base, base));
    out.hparams.rope_base = static_cast<float>(base);
    if (!(base > 0)) return error(QL_BAD_FILE, "rope_theta %g is not positive", base);
    QL_TRY(read_rope_kind(config, rope, out));
    return rope.refuse_unread(kHarmlessRopeFields);
}

}  // namespace

std::vector<float> llama3_rope_factors(const Llama3Scaling & s, double rope_base, int64_t n_rot) {
    const double longest = s.original_context / s.low_freq_factor, shortest = s.original_context / s.high_freq_factor;
    std::vector<float> factors;
    for (int64_t i = 0; i < n_rot; i += 2) {
        const double frequency = std::pow(rope_base, -static_cast<double>(i) / static_cast<double>(n_rot));
        const double wavelength = 2 * std::numbers::pi / frequency;
        const double smooth =
            (s.original_context / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        const double divisor = wavelength < shortest  ? 1.0
                               : wavelength > longest ? s.factor
                                                      : 1.0 / ((1.0 - smooth) / s.factor + smooth);
        factors.push_back(static_cast<float>(divisor));
    }
    return factors;
}

Result<HfConfig> read_hf_config(const JsonFile & config) {
    HfConfig out;
    QL_ASSIGN(const ModelType type, find_model_type(config));
    out.hparams.arch = type.architecture;
    QL_TRY(refuse_quantised(config));
    QL_TRY(check_classes(config));
    QL_TRY(read_shape(config, out.hparams));
    QL_TRY(read_biases(config, type, out));
    QL_TRY(refuse_variants(config, out.hparams.n_ctx));
    QL_TRY(read_rope(config, out));
    if (config.has("tie_word_embeddings")) {
        bool tied = false;
        QL_TRY(config.flag("tie_word_embeddings", tied));
        out.head = tied ? HfConfig::Head::tied : HfConfig::Head::separate;
    }
    QL_TRY(config.refuse_unread(kHarmlessFields));
    return out;
}

}  // namespace ql
