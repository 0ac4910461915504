// A dense transformer's shape, from GGUF keys.
#include <algorithm>

#include "models/dense/dense.hpp"
#include "models/dense/gguf_rope.hpp"
#include "models/files/weight_names.hpp"

namespace ql {
namespace {

/// Keys that change nothing, or nothing as long as they have this value and were not read.
constexpr HarmlessKey kHarmless[] = {
    {"vocab_size"},          // known from the embedding
    {"tensor_data_layout"},  // of the file that this one was made from
    {"attention.layer_norm_epsilon"},
    {"rope.scaling.original_context_length"},  // of scalings that do not ask for it
    {"rope.scaling.finetuned"},
    {"attention.causal", 1},
    {"attention.scale", 0},
    {"attention.clamp_kqv", 0},
    {"attention.max_alibi_bias", 0},
    {"attention.sliding_window", 0},
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
    {"nextn_predict_layers", 0},
};

Status read_layers(const GgufKeys & keys, Hparams & h) {
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
Status read_head_length(const GgufKeys & keys, Hparams & h) {
    const int64_t n_head = h.layers[0].n_head, whole = n_head > 0 ? h.n_embd / n_head : 0;
    QL_TRY(keys.size("attention.key_length", h.head_dim, whole * n_head == h.n_embd ? whole : 0));
    if (h.head_dim == 0)
        return error(QL_BAD_FILE, "%s is missing, and %lld heads do not divide %lld",
                     keys.full_name("attention.key_length").c_str(), static_cast<long long>(n_head),
                     static_cast<long long>(h.n_embd));
    int64_t value_length = 0;
    QL_TRY(keys.size("attention.value_length", value_length, h.head_dim));
    if (value_length == h.head_dim) return {};
    return error(QL_UNSUPPORTED, "%s is %lld, the key length is %lld; only equal ones are supported",
                 keys.full_name("attention.value_length").c_str(), static_cast<long long>(value_length),
                 static_cast<long long>(h.head_dim));
}

Status read_rotated(const GgufKeys & keys, const DenseTraits & t, Hparams & h) {
    QL_TRY(keys.size("rope.dimension_count", h.rope.n_rot, h.head_dim));
    h.rope.mode = t.rope_mode;
    if (t.rows == RowOrder::pairs) h.rope.factors = kRopeFactors;
    return {};
}

/// Layers with the window; a file says which ones as a list, or as a period.
Status read_windows(const GgufKeys & keys, const DenseTraits & t, Hparams & h) {
    if (t.windows == Windows::none || t.windows == Windows::upper) return {};
    int64_t window = 0, period = t.windows == Windows::all ? 0 : t.window_period;
    QL_TRY(keys.size("attention.sliding_window", window, 0));
    QL_ASSIGN(const auto listed, keys.layer_flags("attention.sliding_window_pattern", h.n_layer()));
    if (!listed) QL_TRY(keys.size("attention.sliding_window_pattern", period, period));
    if (window >= h.n_ctx && !t.local_rope) return {};  // as good as none
    for (int64_t i = 0; i < h.n_layer() && window > 0; ++i) {
        const bool all_keys = listed ? !(*listed)[static_cast<size_t>(i)] : period > 0 && i % period == period - 1;
        if (all_keys) continue;
        LayerShape & layer = h.layers[static_cast<size_t>(i)];
        layer.window = window;
        if (t.local_rope) layer.rope = LayerRope::local;
    }
    return {};
}

Status read_local_rope(const GgufKeys & keys, const DenseTraits & t, Hparams & h) {
    if (!t.local_rope) return {};
    h.local_rope.n_rot = h.rope.n_rot;
    h.local_rope.mode = t.rope_mode;
    return keys.number("rope.freq_base_swa", h.local_rope.base, 10000.0f);
}

}  // namespace

Status Dense::read_hparams(const ql_gguf * file, Hparams & h) const {
    const GgufKeys keys(file, std::string(traits_.name));
    QL_TRY(keys.size("embedding_length", h.n_embd));
    QL_TRY(read_layers(keys, h));
    QL_TRY(read_head_length(keys, h));
    QL_TRY(keys.size("context_length", h.n_ctx));
    QL_TRY(keys.number("attention.layer_norm_rms_epsilon", h.rms_eps));
    for (const NumberSetting & n : traits_.numbers) QL_TRY(keys.number(n.key, h.*n.value, n.missing));
    QL_TRY(read_rotated(keys, traits_, h));
    QL_TRY(read_gguf_rope(keys, h));
    QL_TRY(read_windows(keys, traits_, h));
    QL_TRY(read_local_rope(keys, traits_, h));
    QL_TRY(read_more(keys, h));
    return keys.refuse_unread(kHarmless);
}

}  // namespace ql
