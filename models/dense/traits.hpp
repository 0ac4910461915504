// What tells one dense transformer from another. A file of models/arch describes its model with these, and adds what no
// other model has.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include "models/hf/config.hpp"
#include "models/hf/names.hpp"
#include "models/model/hparams.hpp"

namespace ql {

/// RMS norms of q and k before they are rotated.
enum class QkNorm {
    none,
    head,  // of each head
    row,   // over all heads at once
};

/// f of the feed-forward layer's f(gate) * up.
enum class Gate {
    silu,
    gelu,  // by tanh
};

/// Which layers attend to a window, where a model has one.
enum class Windows {
    none,
    all,
    periodic,  // all but every n-th
    upper,     // those from max_window_layers on, if use_sliding_window says so: config.json alone knows of it
};

/// A number of the computation, by its GGUF key and by its field in config.json.
struct NumberSetting {
    const char * key;
    const char * field;
    float Hparams::*value;
    std::optional<float> missing = {};
    bool is_divisor = false;  // files hold one over the value
};

inline constexpr NumberSetting kAttentionScale{"attention.scale", "attention_multiplier", &Hparams::attention_scale,
                                               kScaleOfHead};
inline constexpr NumberSetting kEmbeddingScale{"embedding_scale", "embedding_multiplier", &Hparams::embedding_scale, 1};
inline constexpr NumberSetting kResidualScale{"residual_scale", "residual_multiplier", &Hparams::residual_scale, 1};
/// The files say by what logits are divided: read_more of the architecture inverts it.
inline constexpr NumberSetting kLogitDivisor{"logit_scale", "logits_scaling", &Hparams::logit_scale, 1, true};
inline constexpr NumberSetting kAttentionCap{"attn_logit_softcapping", "attn_logit_softcapping",
                                             &Hparams::attention_cap, kNoCap};
inline constexpr NumberSetting kLogitCap{"final_logit_softcapping", "final_logit_softcapping", &Hparams::logit_cap,
                                         kNoCap};

/// Weights of rope factors: Llama 3's, which models with paired rows may have, and LongRoPE's two.
inline constexpr const char * kRopeFactors = "rope_freqs.weight";
inline constexpr const char * kShortFactors = "rope_factors_short.weight";
inline constexpr const char * kLongFactors = "rope_factors_long.weight";

/// What q is multiplied by at each position, made at load.
inline constexpr const char * kPositionFactors = "position_factors.weight";

/// How q's and k's rows lie.
enum class RowOrder {
    hugging_face,  // as in Hugging Face directories
    pairs,         // rope pairs are neighbours in GGUF files, and not in the directories (rope_order.hpp)
};

struct DenseTraits {
    std::string_view name;                        // general.architecture
    std::vector<std::string_view> hf_types = {};  // config.json's model_type
    const HfNames * hf_names = nullptr;

    ql_rope_mode rope_mode = QL_ROPE_NORMAL;
    RowOrder rows = RowOrder::pairs;
    bool partial_rope = false;  // config.json may say that only a part of a head is rotated
    double rotated = 1;         // that part where it does not say it
    bool local_rope = false;    // layers with a window have a rope of their own

    bool temperature = false;  // q may grow with its position

    bool pre_norms = true;    // of what attention and feed-forward read
    bool post_norms = false;  // of what they add to the stream
    QkNorm qk_norm = QkNorm::none;
    bool shifted_norms = false;  // directories hold the norms' weights less 1
    Gate gate = Gate::silu;
    bool gate_in_up = false;  // ffn_up holds the gate's rows, then its own

    Windows windows = Windows::none;
    int64_t window_period = 0;  // of Windows::periodic where the files do not say it

    std::vector<NumberSetting> numbers = {};  // which it has beyond those that all have
    std::vector<HfBiases> biases = {};        // which linears of a directory have biases
};

}  // namespace ql
