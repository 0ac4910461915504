// A dense transformer's shape, from config.json.
#include <algorithm>

#include "models/dense/dense.hpp"
#include "models/dense/temperature.hpp"
#include "models/hf/rope.hpp"

namespace ql {
namespace {

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
    return {};
}

Status read_numbers(const JsonFile & config, const DenseTraits & t, Hparams & h) {
    for (const NumberSetting & n : t.numbers) {
        if (!n.field) continue;
        double number = 0;
        QL_TRY(config.number(n.field, number, n.missing ? std::optional<double>(*n.missing) : std::nullopt));
        h.*n.value = static_cast<float>(number);
    }
    return {};
}

Status read_biases(const JsonFile & config, const DenseTraits & t, HfConfig & out) {
    out.biases = t.biases;
    for (HfBiases & biases : out.biases)
        if (biases.key) QL_TRY(config.flag(biases.key, biases.there, biases.there));
    return {};
}

Status check_activation(const JsonFile & config, Gate gate) {
    const bool is_gelu = gate == Gate::gelu;
    const char * const key = is_gelu ? "hidden_activation" : "hidden_act";
    const char * const known = is_gelu ? "gelu_pytorch_tanh" : "silu";
    std::string activation;
    QL_TRY(config.text(key, activation, known));
    if (is_gelu) (void)config.has("hidden_act");  // which Gemma's configs may say, and nobody follows
    if (activation == known || (!is_gelu && activation == "swish")) return {};
    return error(QL_UNSUPPORTED, "%s '%.40s' is not supported, only %s is", key, activation.c_str(), known);
}

/// The layers that attend to a window by default, as transformers has them.
Status default_windows(const JsonFile & config, const DenseTraits & t, Hparams & h, int64_t window) {
    int64_t period = t.window_period, first = h.n_layer();
    if (t.windows == Windows::periodic)
        for (const char * key : {"_sliding_window_pattern", "sliding_window_pattern"})
            QL_TRY(config.size(key, period, period));
    if (t.windows == Windows::upper) QL_TRY(config.size("max_window_layers", first, first));
    for (int64_t i = 0; i < h.n_layer(); ++i) {
        const bool cut = t.windows == Windows::upper      ? i >= first
                         : t.windows == Windows::periodic ? period > 0 && i % period != period - 1
                                                          : true;
        if (cut) h.layers[static_cast<size_t>(i)].window = window;
    }
    return {};
}

/// The layers that layer_types lists.
Status listed_windows(const JsonFile & config, Hparams & h, int64_t window) {
    const Json & types = config.at("layer_types");
    if (!types.is_array() || static_cast<int64_t>(types.size()) != h.n_layer())
        return config.wrong("layer_types", "must be a list with an entry for each layer");
    for (size_t i = 0; i < h.layers.size(); ++i) {
        const std::string type = types[i].is_string() ? types[i].get<std::string>() : "";
        if (type != "full_attention" && type != "sliding_attention")
            return error(QL_UNSUPPORTED,
                         "layer_types: '%.40s' is not supported, only full_attention and sliding_attention are",
                         type.c_str());
        if (type == "full_attention") continue;
        if (window == 0) return config.wrong("sliding_window", "must be set where layer_types has sliding_attention");
        h.layers[i].window = window;
    }
    return {};
}

Status read_windows(const JsonFile & config, const DenseTraits & t, Hparams & h) {
    int64_t window = 0;
    bool in_use = true;
    for (const char * key : {"_sliding_window_pattern", "sliding_window_pattern"})  // said once more by layer_types
        if (t.windows == Windows::periodic) (void)config.has(key);
    if (t.windows == Windows::upper) (void)config.has("max_window_layers");
    QL_TRY(config.size("sliding_window", window, 0));
    if (t.windows == Windows::upper) QL_TRY(config.flag("use_sliding_window", in_use, false));
    if (config.has("sliding_window") && in_use && window == 0)
        return config.wrong("sliding_window", "must be positive");
    if (!in_use) window = 0;
    if (config.has("layer_types")) QL_TRY(listed_windows(config, h, window));
    if (!config.has("layer_types") || t.windows == Windows::none) QL_TRY(default_windows(config, t, h, window));
    for (LayerShape & layer : h.layers) {
        if (t.local_rope && layer.window > 0) layer.rope = LayerRope::local;
        if (layer.window >= h.n_ctx) layer.window = 0;  // as good as none
        if (t.windows == Windows::none && layer.window > 0)
            return error(QL_UNSUPPORTED, "a sliding window of %lld tokens is not supported",
                         static_cast<long long>(layer.window));
    }
    return {};
}

Rope as_rope(const DenseTraits & t, HfRope && read) {
    Rope rope{read.n_rot, read.base, read.scale, read.magnitude, t.rope_mode};
    const bool is_long = !read.long_divisors.empty();
    if (t.rows == RowOrder::pairs || !read.divisors.empty()) rope.factors = is_long ? kShortFactors : kRopeFactors;
    if (is_long) rope.long_factors = kLongFactors;
    rope.long_from = read.long_from;
    rope.divisors = std::move(read.divisors);
    rope.long_divisors = std::move(read.long_divisors);
    return rope;
}

Status read_temperature(const DenseTraits & t, const HfRope & rope, Hparams & h) {
    if (rope.temperature_scale == 0) return {};
    if (!t.temperature) return error(QL_UNSUPPORTED, "llama_4_scaling_beta is not supported in this kind of model");
    return set_temperature(rope.temperature_scale, rope.scaling.original_context, h);
}

Status read_ropes(const JsonFile & config, const DenseTraits & t, Hparams & h, HfRope & global) {
    const HfRotated rotated{h.head_dim, t.rotated, t.partial_rope};
    QL_ASSIGN(HfRope rope, read_hf_rope(config, rotated, t.local_rope ? "full_attention" : nullptr));
    QL_TRY(read_temperature(t, rope, h));
    global = rope;
    h.rope = as_rope(t, std::move(rope));
    if (!t.local_rope) return {};
    double base = 0;
    QL_TRY(config.number("rope_local_base_freq", base, 10000.0));
    h.local_rope = {h.rope.n_rot, static_cast<float>(base), 1, 1, t.rope_mode};
    if (!config.part("rope_parameters").has_object("sliding_attention")) return {};
    QL_ASSIGN(HfRope local, read_hf_rope(config, rotated, "sliding_attention"));
    h.local_rope = as_rope(t, std::move(local));
    if (h.local_rope.divisors.empty()) return {};
    return error(QL_UNSUPPORTED, "the rope of sliding_attention layers may be scaled by 'linear' alone");
}

}  // namespace

Status Dense::read_hf_config(const JsonFile & config, Hparams & h, HfConfig & out) const {
    QL_TRY(read_shape(config, h));
    QL_TRY(read_numbers(config, traits_, h));
    QL_TRY(read_biases(config, traits_, out));
    QL_TRY(check_activation(config, traits_.gate));
    QL_TRY(read_windows(config, traits_, h));
    QL_TRY(read_ropes(config, traits_, h, out.rope));
    QL_TRY(read_more(config, h, out));
    return h.check();
}

}  // namespace ql
