// Granite 3 and 4, dense: Llama with a factor on the embedding, on q . k, on what each half of a layer adds, and a
// divisor of the logits.                                                       (IBM Research 2024, transformers' granite)
#include "models/dense/dense.hpp"
#include "models/dense/names.hpp"

namespace ql {
namespace {

constexpr HfNames kGraniteHfNames(kWholeNames, kLlamaNames);

class Granite : public Dense {
  public:
    Granite()
        : Dense({.name = "granite",
                 .hf_types = {"granite"},
                 .hf_names = &kGraniteHfNames,
                 .numbers = {kAttentionScale, kEmbeddingScale, kResidualScale, kLogitDivisor},
                 .biases = {{"attn_", "attention_bias"}, {"ffn_", "mlp_bias"}}}) {}

  protected:
    Status read_more(const GgufKeys & keys, Hparams & h) const override {
        bool rotates = true;  // upstream's switch for models without positions
        QL_TRY(keys.flag("rope.scaling.finetuned", rotates, true));
        for (LayerShape & layer : h.layers) layer.rope = rotates ? LayerRope::global : LayerRope::none;
        return invert(h);
    }
    Status read_more(const JsonFile & config, Hparams & h, HfConfig &) const override {
        // transformers' default is 1, not 1 / sqrt(head_dim)
        if (!config.has("attention_multiplier")) h.attention_scale = 1;
        return invert(h);
    }

  private:
    static Status invert(Hparams & h) {
        if (!(h.logit_scale > 0))
            return error(QL_BAD_FILE, "the divisor of the logits is %g, not positive",
                         static_cast<double>(h.logit_scale));
        h.logit_scale = 1 / h.logit_scale;
        return {};
    }
};

}  // namespace

const Architecture & granite_architecture() {
    static const Granite instance;
    return instance;
}

}  // namespace ql
