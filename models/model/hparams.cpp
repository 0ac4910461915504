#include "models/model/hparams.hpp"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr int64_t kMaxLayers = 1 << 14;

Status positive(const std::string & what, int64_t v, int64_t limit) {
    if (v >= 1 && v <= limit) return {};
    return error(QL_BAD_FILE, "model: %s is %lld, 1 to %lld are possible", what.c_str(), static_cast<long long>(v),
                 static_cast<long long>(limit));
}

/// `of_layer` says which one it is, "" where all are the same.
Status check_layer(const LayerShape & layer, const std::string & of_layer) {
    QL_TRY(positive("number of heads" + of_layer, layer.n_head, 1 << 14));
    QL_TRY(positive("number of key-value heads" + of_layer, layer.n_head_kv, layer.n_head));
    QL_TRY(positive("feed-forward length" + of_layer, layer.n_ff, 1 << 22));
    if (layer.window < 0)
        return error(QL_BAD_FILE, "model: attention window%s is %lld, 0 (none) or more is possible", of_layer.c_str(),
                     static_cast<long long>(layer.window));
    if (layer.n_head % layer.n_head_kv == 0) return {};
    return error(QL_BAD_FILE, "model: %lld heads%s are no multiple of %lld key-value heads",
                 static_cast<long long>(layer.n_head), of_layer.c_str(), static_cast<long long>(layer.n_head_kv));
}

Status check_rope(const Rope & rope, int64_t head_dim) {
    QL_TRY(positive("rotated length of a head", rope.n_rot, head_dim));
    if (rope.n_rot % 2)
        return error(QL_BAD_FILE, "model: rotated length %lld is odd", static_cast<long long>(rope.n_rot));
    if (!(rope.base > 0))
        return error(QL_BAD_FILE, "model: rope base %g is not positive", static_cast<double>(rope.base));
    if (!(rope.magnitude > 0))
        return error(QL_BAD_FILE, "model: rope attention factor %g is not positive",
                     static_cast<double>(rope.magnitude));
    return {};
}

Status check_number(const char * what, float v, bool may_be_zero) {
    if (std::isfinite(v) && (v > 0 || (may_be_zero && v == 0))) return {};
    return error(QL_BAD_FILE, "model: %s %g is not positive", what, static_cast<double>(v));
}

}  // namespace

const Rope * Hparams::rope_of(int64_t i) const {
    if (layer(i).rope == LayerRope::none) return nullptr;
    return layer(i).rope == LayerRope::local ? &local_rope : &rope;
}

Status Hparams::start_layers(int64_t n_layer, const LayerShape & shape) {
    QL_TRY(positive("number of layers", n_layer, kMaxLayers));
    layers.assign(static_cast<size_t>(n_layer), shape);
    return {};
}

Status Hparams::check() const {
    QL_TRY(positive("number of layers", n_layer(), kMaxLayers));
    QL_TRY(positive("embedding length", n_embd, 1 << 20));
    const bool differ = std::any_of(layers.begin(), layers.end(), [&](const LayerShape & l) { return l != layers[0]; });
    for (size_t i = 0; i < (differ ? layers.size() : 1); ++i)
        QL_TRY(check_layer(layers[i], differ ? " of layer " + std::to_string(i) : ""));
    QL_TRY(positive("head length", head_dim, 1 << 14));
    QL_TRY(positive("vocabulary size", n_vocab, 1 << 24));
    QL_TRY(positive("context length", n_ctx, int64_t{1} << 31));
    if (!(rms_eps >= 0 && rms_eps < 1))
        return error(QL_BAD_FILE, "model: norm epsilon %g is out of range", static_cast<double>(rms_eps));
    QL_TRY(check_number("attention scale", attention_scale, true));
    QL_TRY(check_number("soft cap of attention", attention_cap, true));
    QL_TRY(check_number("embedding scale", embedding_scale, false));
    QL_TRY(check_number("residual scale", residual_scale, false));
    QL_TRY(check_number("logit scale", logit_scale, false));
    QL_TRY(check_number("soft cap of the logits", logit_cap, true));
    for (int64_t i = 0; i < n_layer(); ++i)
        if (rope_of(i)) QL_TRY(check_rope(*rope_of(i), head_dim));
    return {};
}

}  // namespace ql
