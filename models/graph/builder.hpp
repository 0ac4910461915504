// What an architecture builds its graph with: the model's weights as leaves, the inputs of a flat stream of T tokens,
// adapters' branches on every linear that has one, and attention with or without a KV cache.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "models/graph/branch.hpp"
#include "models/graph/own_rows.hpp"
#include "models/model/architecture.hpp"
#include "models/model/model.hpp"
#include "ql/ql.h"

namespace ql {

/// The leaves of one LoRA branch.
struct LoraLeaves {
    ql_tensor * a = nullptr;  // [k, r]
    ql_tensor * b = nullptr;  // [r, m]
    float scale = 1.0f;
};

/// A linear that is computed with base and branch packed into one weight (ql_lora_merge).
struct MergedLeaves {
    ql_tensor * packed = nullptr;  // a state [k, m]
    LoraLeaves branch;
};

/// The leaves of a branch whose factors come by token (ql_lora_mix).
struct MixedBranch {
    int adapter = 0;           // its row of the factors
    ql_tensor * a = nullptr;   // [k, r]
    ql_tensor * bt = nullptr;  // [m, r]
};

/// A cache of keys and values in pages: f16 or f32 states [n_head_kv * head_dim, page * n_pages], two for each layer,
/// with its key-value heads.
struct KvCache {
    std::vector<ql_tensor *> k, v;
    int64_t page = 0, n_pages = 0;  // tokens of a page; number of pages
    int64_t n_entries = 0;          // of a stream's table of pages
    int64_t n_ctx = 0;              // most tokens of a sequence
};

/// Which keys the tokens of a stream see in the layers with this window.
struct StreamSpan {
    int64_t window = 0;          // LayerShape::window
    ql_tensor * span = nullptr;  // i32 [2, T] (ql_attention)
};

/// The inputs of a stream of T tokens.
struct StreamInputs {
    ql_tensor * tokens = nullptr;     // i32 [T]
    ql_tensor * positions = nullptr;  // i32 [T]
    std::vector<StreamSpan> spans;    // one for each window that a layer has; write_spans (spans.hpp) writes all
    ql_tensor * factors = nullptr;    // f32 [n_adapters, T]: of the mixed branches; null without any
    ql_tensor * slots = nullptr;      // i32 [T]: where the tokens' own rows of the embedding are; null without any
    std::vector<int32_t> own_ids;     // the tokens that have one, ascending; slots_of (own_rows.hpp) finds theirs
    std::vector<ql_tensor *> active;  // f32 [1, T] of each activation: 1 for tokens on which its branches act, else 0
    // null without a cache:
    ql_tensor * rows = nullptr;   // i32 [T]: where each token's key and value go in the cache
    ql_tensor * pages = nullptr;  // i32 [n_entries]: where the keys that spans name are (ql_attention_paged)
};

/// Dropout of what branches read: none where p is 0.
struct LoraDropout {
    float p = 0;
    ql_tensor * key = nullptr;
};

/// Noise on the embeddings (ql_uniform_noise): none where the key is null.
struct EmbeddingNoise {
    ql_tensor * amplitude = nullptr;  // f32 [T]
    ql_tensor * key = nullptr;
};

class GraphBuilder {
  public:
    GraphBuilder(const Model & model, ql_graph * graph) : model_(model), graph_(graph) {}

    const Model & model() const { return model_; }
    const Hparams & hparams() const { return model_.hparams(); }
    ql_graph * graph() const { return graph_; }

    /// Adds a branch to the linear of this weight; several are applied in order.
    void attach(const std::string & weight, BranchPtr branch) { branches_[weight].push_back(std::move(branch)); }
    /// Puts a packed weight in the place of this one; its branch gets the gradient.
    void attach_merged(const std::string & weight, const MergedLeaves & merged) { merged_[weight] = merged; }
    /// A tensor that takes the place of a weight.
    void replace(const std::string & weight, ql_tensor * tensor) { leaves_[weight] = tensor; }
    /// Puts rows in the place of those of the embedding (embed) or of the head (loss) that `ids`, ascending, names.
    void replace_rows(const std::string & weight, const OwnRows & rows, const std::vector<int32_t> & ids);
    /// Adds a branch whose factors are an input of the stream, of n_adapters; a weight's adapters ascend.
    void attach_mixed(const std::string & weight, int64_t n_adapters, const MixedBranch & branch) {
        n_adapters_ = n_adapters;
        mixed_[weight].push_back(branch);
    }
    /// An activation of branches, for lora_branch; its input of a stream has the number that is returned.
    int add_activation() { return n_activations_++; }
    void set_dropout(const LoraDropout & dropout) { dropout_ = dropout; }
    void set_noise(const EmbeddingNoise & noise) { noise_ = noise; }
    /// Calls `watch` with the weight and the input of every linear that is built from now on.
    void watch_linears(std::function<void(const std::string & weight, ql_tensor * x)> watch) {
        watch_ = std::move(watch);
    }
    void set_cache(const KvCache * cache) { cache_ = cache; }

    /// New inputs for T tokens, named with a suffix, used by what is built from now on.
    const StreamInputs & start_stream(int64_t n_tokens, const std::string & suffix = "");
    const StreamInputs & inputs() const { return inputs_; }
    int64_t n_tokens() const { return n_tokens_; }
    /// The rows of x that ids [n] names: what is built from now on is about those tokens alone.
    ql_tensor * keep_tokens(ql_tensor * x, ql_tensor * ids);

    /// What is built from now on belongs to this layer: a plan over several devices distributes layers.
    void enter_layer(int64_t layer);

    // Pieces that architectures share. Names are of weights.
    bool has(const std::string & name) const { return model_.find(name) != nullptr; }
    ql_tensor * weight(const std::string & name);
    /// The embeddings of the stream's tokens, scaled.
    ql_tensor * embed();
    ql_tensor * norm(const std::string & name, ql_tensor * x);
    /// W x, the branches of W, and its bias where the model has one.
    ql_tensor * linear(const std::string & name, ql_tensor * x);
    /// x after the dropout of branches: one for all that read x.
    ql_tensor * dropped(ql_tensor * x);
    /// x, zero where the activation is: one for all that read x.
    ql_tensor * active(ql_tensor * x, int activation);
    /// ql_sum_tiles(x, n): one for all branches that ask for it.
    ql_tensor * tile_sums(ql_tensor * x, int64_t n);
    /// [n_head * head_dim, T] -> [head_dim, n_head, T]; shares x's storage.
    ql_tensor * heads(ql_tensor * x, int64_t n_head);
    /// Heads of the stream's tokens, rotated. x may still be [n_head * head_dim, T].
    ql_tensor * rotate(ql_tensor * x, int64_t n_head, const Rope & rope);
    /// Heads [d, H, T] times each position's number in a table [1, n_ctx].
    ql_tensor * by_position(const std::string & table, ql_tensor * x);
    /// factor x; x itself where the factor is 1.
    ql_tensor * scaled(ql_tensor * x, float factor);
    /// Attention of layer `layer` over q [d, H, T], k and v [d, H_kv, T], through the cache if there is one -> [d * H,
    /// T].
    ql_tensor * attend(int64_t layer, ql_tensor * q, ql_tensor * k, ql_tensor * v);

    /// Final hidden states of the stream, normalised, and scaled so that the head's product has the logits' scale.
    ql_tensor * hidden();
    ql_tensor * head() { return weight(model_.head().name); }
    /// The logits of such states, with the branches of the head.
    ql_tensor * logits(ql_tensor * hidden);
    /// The loss over such states by the head's weight: ql_head_loss. head() gets its own rows where it has some; another
    /// weight in its place has them in it.
    ql_tensor * loss(ql_tensor * hidden, ql_tensor * head, ql_tensor * targets, ql_tensor * weights, ql_tensor ** nll);

  private:
    /// Of the whole tensor: W is what is stored times this.
    float weight_scale(const std::string & name) const;
    /// W x.
    ql_tensor * base_product(const std::string & name, ql_tensor * x);
    /// W x and its mixed branches, or that of the packed weight in W's place.
    ql_tensor * product(const std::string & name, ql_tensor * x);
    /// y, the product, and the other branches of W.
    ql_tensor * add_branches(const std::string & name, ql_tensor * x, ql_tensor * y);

    ql_tensor * angles(const Rope & rope);
    /// What the frequencies are divided by in this stream; null: 1.
    ql_tensor * rope_factors(const Rope & rope);
    /// With the model's soft cap, through a cache where `pages` is not null.
    ql_tensor * attention(ql_tensor * q, ql_tensor * k, ql_tensor * v, ql_tensor * span, ql_tensor * pages,
                          float scale);
    /// A cache [d * H, rows] with the stream's keys or values in it -> [d, H, page, n_pages].
    ql_tensor * cached(ql_tensor * cache, int64_t n_heads, ql_tensor * x);
    void start_spans(const std::string & suffix);
    ql_tensor * span(int64_t window) const;

    const Model & model_;
    ql_graph * graph_;
    std::unordered_map<std::string, ql_tensor *> leaves_;
    std::unordered_map<std::string, std::vector<BranchPtr>> branches_;
    std::unordered_map<std::string, MergedLeaves> merged_;
    std::unordered_map<std::string, OwnRows> own_rows_;
    std::vector<int32_t> own_ids_;  // of the embedding's
    std::unordered_map<std::string, std::vector<MixedBranch>> mixed_;
    int64_t n_adapters_ = 0;         // that have mixed branches
    ql_tensor * factors_ = nullptr;  // of the tokens at hand
    LoraDropout dropout_;
    int n_dropouts_ = 0;
    int n_activations_ = 0;
    std::map<std::pair<ql_tensor *, int>, ql_tensor *> active_;
    EmbeddingNoise noise_;
    std::function<void(const std::string &, ql_tensor *)> watch_;
    std::unordered_map<ql_tensor *, ql_tensor *> dropped_;
    std::map<std::pair<ql_tensor *, int64_t>, ql_tensor *> tile_sums_;
    const KvCache * cache_ = nullptr;
    StreamInputs inputs_;
    int64_t n_tokens_ = 0;
    std::vector<std::pair<Rope, ql_tensor *>> angles_;  // tables of the stream, one for each rope
};

}  // namespace ql
