// The numbers that fix a model's shape, the same for every architecture and every file format they are read from.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ql/ops.h"
#include "ql/status.hpp"

namespace ql {

/// Which of a model's ropes turns the heads of a layer.
enum class LayerRope { global, local, none };

/// What each layer may have of its own.
struct LayerShape {
    int64_t n_head = 0;
    int64_t n_head_kv = 0;
    int64_t n_ff = 0;
    int64_t window = 0;  // of a sliding window: a token attends to the last so many tokens, itself included; 0: to all
    LayerRope rope = LayerRope::global;

    bool operator==(const LayerShape &) const = default;
};

/// How positions rotate heads; layers of one model may do it in several ways.
struct Rope {
    int64_t n_rot = 0;  // rotated elements of a head
    float base = 10000.0f;
    float scale = 1.0f;      // 1 / factor of linear scaling
    float magnitude = 1.0f;  // times cos and sin
    ql_rope_mode mode = QL_ROPE_NORMAL;
    std::string factors = {};  // the weight that divides the frequencies, where the model has it
    // The one in its place in contexts of more than long_from tokens, where there is another:
    std::string long_factors = {};
    int64_t long_from = 0;
    // [n_rot / 2]: the values of the two where they follow from numbers in the file (load/made_weights.hpp).
    std::vector<float> divisors = {}, long_divisors = {};

    bool operator==(const Rope &) const = default;
};

/// What a soft cap or a scale of attention is where a model has none: no cap, 1 / sqrt(head_dim).
inline constexpr float kNoCap = 0, kScaleOfHead = 0;

struct Hparams {
    std::string arch;  // "llama"
    std::vector<LayerShape> layers;
    int64_t n_embd = 0;
    int64_t head_dim = 0;
    int64_t n_vocab = 0;
    int64_t n_ctx = 0;  // trained context
    float rms_eps = 1e-5f;
    Rope rope, local_rope;                          // of LayerRope::global and ::local
    float attention_scale = kScaleOfHead;           // of q . k
    float attention_cap = kNoCap;                   // of scale q . k
    float embedding_scale = 1, residual_scale = 1;  // of the embedding; of what a layer's halves add to the stream
    std::vector<float> position_factors;            // of q at each position, [n_ctx]; empty: 1
    float logit_scale = 1, logit_cap = kNoCap;      // of the logits: cap tanh(scale W x / cap)

    int64_t n_layer() const { return static_cast<int64_t>(layers.size()); }
    const LayerShape & layer(int64_t i) const { return layers[static_cast<size_t>(i)]; }
    /// Null where the layer rotates nothing.
    const Rope * rope_of(int64_t layer) const;
    /// Makes the layers, all of this shape.       errors  QL_BAD_FILE: a number of layers that no model has
    Status start_layers(int64_t n_layer, const LayerShape & shape = {});

    /// Rejects numbers that no model has (0 heads, a width that heads do not divide ...).
    Status check() const;
};

}  // namespace ql
