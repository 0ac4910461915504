// The weights of a dense transformer, their shapes, and which of them take LoRA.
#include "models/dense/dense.hpp"
#include "models/files/weight_names.hpp"

namespace ql {
namespace {

/// One layer's.
class LayerWeights {
  public:
    LayerWeights(int64_t layer, std::vector<NeededWeight> & list) : p_(layer_prefix(layer)), list_(list) {}

    void norm(const char * name, int64_t n) { list_.push_back({p_ + name + ".weight", {n}}); }
    /// `unless`: the linear that holds this one's rows, too.
    void linear(const char * name, int64_t in, int64_t out, const char * unless = nullptr) {
        const std::string instead = unless ? p_ + unless + ".weight" : "";
        list_.push_back({p_ + name + ".weight", {in, out}, false, instead});
        list_.push_back({p_ + name + ".bias", {out}, true});
    }
    void fused(const char * name, int64_t in, int64_t out) {
        list_.push_back({p_ + name + ".weight", {in, out}, true});
        list_.push_back({p_ + name + ".bias", {out}, true});
    }

  private:
    const std::string p_;
    std::vector<NeededWeight> & list_;
};

void add_attention(const DenseTraits & t, const Hparams & h, const LayerShape & layer, LayerWeights & w) {
    const int64_t q = layer.n_head * h.head_dim, kv = layer.n_head_kv * h.head_dim;
    const bool by_head = t.qk_norm == QkNorm::head;
    if (t.pre_norms) w.norm("attn_norm", h.n_embd);
    w.linear("attn_q", h.n_embd, q, "attn_qkv");
    w.linear("attn_k", h.n_embd, kv, "attn_qkv");
    w.linear("attn_v", h.n_embd, kv, "attn_qkv");
    w.linear("attn_output", q, h.n_embd);
    w.fused("attn_qkv", h.n_embd, q + 2 * kv);
    if (t.qk_norm != QkNorm::none) w.norm("attn_q_norm", by_head ? h.head_dim : q);
    if (t.qk_norm != QkNorm::none) w.norm("attn_k_norm", by_head ? h.head_dim : kv);
    if (t.post_norms) w.norm("post_attention_norm", h.n_embd);
}

void add_feed_forward(const DenseTraits & t, const Hparams & h, const LayerShape & layer, LayerWeights & w) {
    if (t.pre_norms) w.norm("ffn_norm", h.n_embd);
    if (!t.gate_in_up) w.linear("ffn_gate", h.n_embd, layer.n_ff, "ffn_gate_up");
    w.linear("ffn_up", h.n_embd, (t.gate_in_up ? 2 : 1) * layer.n_ff, "ffn_gate_up");
    w.fused("ffn_gate_up", h.n_embd, 2 * layer.n_ff);
    w.linear("ffn_down", layer.n_ff, h.n_embd);
    if (t.post_norms) w.norm("post_ffw_norm", h.n_embd);
}

}  // namespace

std::vector<NeededWeight> Dense::needed(const Hparams & h) const {
    std::vector<NeededWeight> list = {{"token_embd.weight", {h.n_embd, h.n_vocab}},
                                      {"output_norm.weight", {h.n_embd}},
                                      {"output.weight", {h.n_embd, h.n_vocab}, true}};
    for (const std::string & factors : {h.rope.factors, h.rope.long_factors})
        if (!factors.empty()) list.push_back({factors, {h.rope.n_rot / 2}, true});
    if (!h.position_factors.empty()) list.push_back({kPositionFactors, {1, h.n_ctx}});
    for (int64_t i = 0; i < h.n_layer(); ++i) {
        LayerWeights weights(i, list);
        add_attention(traits_, h, h.layer(i), weights);
        add_feed_forward(traits_, h, h.layer(i), weights);
    }
    return list;
}

std::vector<std::string_view> Dense::linears() const {
    return {"attn_qkv", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate_up", "ffn_gate", "ffn_up", "ffn_down"};
}

bool Dense::permuted(std::string_view linear) const {
    return traits_.rows == RowOrder::pairs && (linear == "attn_q" || linear == "attn_k");
}

}  // namespace ql
