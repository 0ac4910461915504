// A dense transformer's shape as GGUF keys, with the names that llama.cpp's converter gives them. gguf_hparams.cpp reads them.
#include <algorithm>

#include "models/base/rope_scaling.hpp"
#include "models/dense/dense.hpp"
#include "models/files/gguf_key_writer.hpp"

namespace ql {
namespace {

using Scaling = HfRopeScaling;

Status write_shape(const Hparams & h, const GgufKeyWriter & keys) {
    const LayerShape & layer = h.layer(0);  // config.json has one shape for all
    QL_TRY(keys.size("vocab_size", h.n_vocab));
    QL_TRY(keys.size("context_length", h.n_ctx));
    QL_TRY(keys.size("embedding_length", h.n_embd));
    QL_TRY(keys.size("block_count", h.n_layer()));
    QL_TRY(keys.size("feed_forward_length", layer.n_ff));
    QL_TRY(keys.size("attention.head_count", layer.n_head));
    QL_TRY(keys.size("attention.head_count_kv", layer.n_head_kv));
    QL_TRY(keys.size("attention.key_length", h.head_dim));
    QL_TRY(keys.size("attention.value_length", h.head_dim));
    return keys.number("attention.layer_norm_rms_epsilon", static_cast<double>(h.rms_eps));
}

/// A cap or a scale that is not there is left out, where that means the same.
Status write_numbers(const DenseTraits & t, const Hparams & h, const GgufKeyWriter & keys) {
    for (const NumberSetting & n : t.numbers) {
        const float value = h.*n.value;
        static_assert(kNoCap == 0 && kScaleOfHead == 0);
        if (value == 0 && n.missing == 0.0f) continue;
        if (value == 0)
            return error(QL_UNSUPPORTED, "a '%s' model without %s cannot be said in GGUF keys", h.arch.c_str(),
                         n.field);
        QL_TRY(keys.number(n.key, static_cast<double>(n.is_divisor ? 1 / value : value)));
    }
    return {};
}

/// Layers that have a window, or the rope that goes with one.
bool is_cut(const DenseTraits & t, const LayerShape & layer) {
    return t.local_rope ? layer.rope == LayerRope::local : layer.window > 0;
}

/// All layers have windows but the last of each period; 0: all have.
bool has_period(const DenseTraits & t, const Hparams & h, int64_t period) {
    int64_t i = 0;
    while (i < h.n_layer() && is_cut(t, h.layer(i)) == (period == 0 || i % period != period - 1)) ++i;
    return i == h.n_layer();
}

Status write_period(const DenseTraits & t, const Hparams & h, const GgufKeyWriter & keys) {
    if (has_period(t, h, t.window_period)) return {};
    for (int64_t period = 0; period <= h.n_layer(); ++period)
        if (has_period(t, h, period)) return keys.size("attention.sliding_window_pattern", period);
    return error(QL_UNSUPPORTED, "layers that have windows at no regular distance cannot be said in GGUF keys");
}

Status write_windows(const DenseTraits & t, const Hparams & h, const GgufKeyWriter & keys) {
    int64_t window = 0;
    for (const LayerShape & layer : h.layers) window = std::max(window, layer.window);
    const bool by_turns = t.windows == Windows::periodic;
    if (window > 0 && t.windows == Windows::upper)
        return error(QL_UNSUPPORTED, "a window of the upper layers alone cannot be said in GGUF keys of '%s'",
                     h.arch.c_str());
    // Where layers have windows by turns, llama.cpp takes a window of its own if the file has none.
    if (window == 0 && by_turns) window = h.n_ctx;
    if (window > 0) QL_TRY(keys.size("attention.sliding_window", window));
    const bool none = window == h.n_ctx && !t.local_rope;
    return by_turns && !none ? write_period(t, h, keys) : Status();
}

Status write_yarn(const HfRope & rope, const GgufKeyWriter & keys) {
    const Scaling & s = rope.scaling;
    if (!s.whole_pairs)
        return error(QL_UNSUPPORTED, "a rope of type yarn with 'truncate' false cannot be said in GGUF keys");
    QL_TRY(keys.text("rope.scaling.type", "yarn"));
    QL_TRY(keys.number("rope.scaling.factor", s.factor));
    QL_TRY(keys.size("rope.scaling.original_context_length", static_cast<int64_t>(s.original_context)));
    QL_TRY(keys.number("rope.scaling.yarn_beta_fast", s.beta_fast));
    QL_TRY(keys.number("rope.scaling.yarn_beta_slow", s.beta_slow));
    const double rest = static_cast<double>(rope.magnitude) / yarn_magnitude(s.factor, 1);
    return static_cast<float>(rest) == 1 ? Status() : keys.number("rope.scaling.attn_factor", rest);
}

Status write_rope(const DenseTraits & t, const Hparams & h, const HfRope & rope, const GgufKeyWriter & keys) {
    QL_TRY(keys.size("rope.dimension_count", h.rope.n_rot));
    QL_TRY(keys.number("rope.freq_base", static_cast<double>(h.rope.base)));
    if (t.local_rope) QL_TRY(keys.number("rope.freq_base_swa", static_cast<double>(h.local_rope.base)));
    if (rope.temperature_scale != 0) QL_TRY(keys.number("attention.temperature_scale", rope.temperature_scale));
    switch (rope.scaling.kind) {
        case Scaling::Kind::none:
        case Scaling::Kind::llama3:  // a tensor
            break;
        case Scaling::Kind::linear:
            QL_TRY(keys.text("rope.scaling.type", "linear"));
            return keys.number("rope.scaling.factor", rope.scaling.factor);
        case Scaling::Kind::yarn:
            return write_yarn(rope, keys);
        case Scaling::Kind::longrope:
            QL_TRY(keys.text("rope.scaling.type", "longrope"));
            QL_TRY(keys.size("rope.scaling.original_context_length", rope.long_from));
            return keys.number("rope.scaling.attn_factor", static_cast<double>(rope.magnitude));
    }
    return {};
}

}  // namespace

Status Dense::write_hparams(const Hparams & h, const HfConfig & config, const GgufKeyWriter & keys) const {
    QL_TRY(write_shape(h, keys));
    QL_TRY(write_numbers(traits_, h, keys));
    QL_TRY(write_windows(traits_, h, keys));
    return write_rope(traits_, h, config.rope, keys);
}

}  // namespace ql
