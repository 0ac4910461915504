// The shapes that ql-bench makes models of: those of well-known models, so that a speed can be measured where the model
// itself is not at hand. Speed and memory depend on shape and types, not on the values.
#pragma once
#include <cstdint>
#include <string>

namespace ql::cli {

/// Of a mixture: feed-forward networks of which each token goes through some.
struct ExpertShape {
    int64_t n = 0, n_used = 0, n_ff = 0;  // experts, those of a token, the width of one
};

struct ModelShape {
    std::string name;
    int64_t n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab;
    bool tied;  // the embedding is the head, too
    std::string architecture = "llama";
    int64_t head_dim = 0;  // 0: n_embd / n_head
    double rope_base = 10000, rms_eps = 1e-5;
    ExpertShape experts = {};

    int64_t head_length() const { return head_dim ? head_dim : n_embd / n_head; }
    bool is_gemma() const { return architecture == "gemma3"; }
    bool has_head_norms() const { return architecture.starts_with("qwen3") || is_gemma(); }  // of queries and keys
    bool has_post_norms() const { return is_gemma(); }                 // of what a half of a layer adds
    bool has_query_biases() const { return architecture == "qwen2"; }  // of queries, keys and values
};

inline constexpr int64_t kMadeContext = 8192;  // tokens, in every shape: each can be measured with long contexts

/// The shape of a name, or of a FILE.json: a config.json as Hugging Face models have it. Stop for any other word.
ModelShape model_shape(const std::string & name);
/// Reads the shape of a config.json; its name is the file's. Stop names a field that is wrong, or that changes a shape in
/// a way that make-model does not know.
ModelShape read_model_shape(const std::string & path);
/// The names in their order, "tiny, smollm2-135m, ...".
std::string model_shape_names();

}  // namespace ql::cli
