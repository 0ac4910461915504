// The shapes that ql-bench makes models of: those of well-known Llama-type models, so that a speed can be measured
// where the model itself is not at hand. Speed depends on shape and types, not on the values.
#pragma once
#include <cstdint>
#include <string>

namespace ql::cli {

struct ModelShape {
    const char * name;
    int64_t n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab;
    bool tied;  // the embedding is the head, too
};

inline constexpr ModelShape kModelShapes[] = {
    // layers, width, heads, heads of keys and values, feed-forward, vocabulary
    {"tiny", 2, 64, 4, 2, 128, 512, true},        // no real model: for tests
    {"tiny-wide", 2, 256, 4, 2, 512, 512, true},  // and for types with blocks of 256
    {"smollm2-135m", 30, 576, 9, 3, 1536, 49152, true},
    {"llama-160m", 12, 768, 12, 12, 3072, 32000, false},
    {"llama-1.1b", 22, 2048, 32, 4, 5632, 32000, false},  // TinyLlama
    {"llama-3.2-1b", 16, 2048, 32, 8, 8192, 128256, true},
    {"llama-7b", 32, 4096, 32, 32, 11008, 32000, false},
};
inline constexpr int64_t kMadeContext = 8192;  // tokens, in every shape: each can be measured with long contexts

/// The row of a name; Stop with the known names for any other.
const ModelShape & model_shape(const std::string & name);
/// The names in their order, "tiny, smollm2-135m, ...".
std::string model_shape_names();

}  // namespace ql::cli
