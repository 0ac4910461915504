// SmolLM3: Llama, but every fourth layer rotates nothing.                             (Hugging Face 2025; Yang et al. 2025)
#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"

namespace ql {
namespace {

constexpr HfNames kSmolLm3HfNames(kWholeNames, kLlamaNames);
constexpr int64_t kInterval = 4;

void stop_rotating(Hparams & h, int64_t interval) {
    for (int64_t i = interval - 1; i < h.n_layer(); i += interval)
        h.layers[static_cast<size_t>(i)].rope = LayerRope::none;
}

class SmolLm3 : public Dense {
  public:
    SmolLm3()
        : Dense({.name = "smollm3",
                 .hf_types = {"smollm3"},
                 .hf_names = &kSmolLm3HfNames,
                 .windows = Windows::upper,
                 .biases = {{"attn_", "attention_bias"}, {"ffn_", "mlp_bias"}}}) {}

  protected:
    /// Files say nothing of it.
    Status read_more(const GgufKeys &, Hparams & h) const override { return stop_rotating(h, kInterval), Status(); }

    /// no_rope_layers holds 1 for each layer that rotates.
    Status read_more(const JsonFile & config, Hparams & h, HfConfig &) const override {
        int64_t interval = 0;
        QL_TRY(config.size("no_rope_layer_interval", interval, kInterval));
        if (interval < 1) return config.wrong("no_rope_layer_interval", "must be at least 1");
        const Json & layers = config.at("no_rope_layers");
        if (layers.is_null()) return stop_rotating(h, interval), Status();
        if (!layers.is_array() || static_cast<int64_t>(layers.size()) != h.n_layer())
            return config.wrong("no_rope_layers", "must be a list with an entry for each layer");
        for (size_t i = 0; i < h.layers.size(); ++i) {
            if (!layers[i].is_number_integer()) return config.wrong("no_rope_layers", "must hold 0 and 1");
            h.layers[i].rope = layers[i] == 0 ? LayerRope::none : LayerRope::global;
        }
        return {};
    }
};

}  // namespace

const Architecture & smollm3_architecture() {
    static const SmolLm3 instance;
    return instance;
}

}  // namespace ql
