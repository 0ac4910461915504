#include "tools/bench/model_shapes.hpp"

#include <span>

#include "tools/cli/stop.hpp"

namespace ql::cli {
namespace {

std::span<const ModelShape> known_shapes() {
    constexpr double kQwenBase = 1e6, kQwenEps = 1e-6;
    static const ModelShape shapes[] = {
        // layers, width, heads, heads of keys and values, feed-forward, vocabulary, whether the head is tied
        {"tiny", 2, 64, 4, 2, 128, 512, true},        // no real model: for tests
        {"tiny-wide", 2, 256, 4, 2, 512, 512, true},  // and for types with blocks of 256
        {"smollm2-135m", 30, 576, 9, 3, 1536, 49152, true},
        {"llama-160m", 12, 768, 12, 12, 3072, 32000, false},
        {"llama-1.1b", 22, 2048, 32, 4, 5632, 32000, false},  // TinyLlama
        {"llama-3.2-1b", 16, 2048, 32, 8, 8192, 128256, true},
        {"llama-7b", 32, 4096, 32, 32, 11008, 32000, false},
        {"llama-3.1-8b", 32, 4096, 32, 8, 14336, 128256, false},
        {"llama-13b", 40, 5120, 40, 40, 13824, 32000, false},
        {"llama-33b", 60, 6656, 52, 52, 17920, 32000, false},
        {"llama-70b", 80, 8192, 64, 8, 28672, 32000, false},  // Llama 2
        {"qwen2.5-7b", 28, 3584, 28, 4, 18944, 152064, false, "qwen2", 0, kQwenBase, kQwenEps},
        {"qwen3-0.6b", 28, 1024, 16, 8, 3072, 151936, true, "qwen3", 128, kQwenBase, kQwenEps},
        // of no real model: what is Gemma's and what is Qwen's on the same dimensions
        {"llama-0.6b", 28, 1024, 16, 8, 3072, 151936, true, "llama", 128, kQwenBase, kQwenEps},
        {"gemma3-0.6b", 28, 1024, 16, 8, 3072, 151936, true, "gemma3", 128, kQwenBase, kQwenEps},
        {"qwen3-4b", 36, 2560, 32, 8, 9728, 151936, true, "qwen3", 128, kQwenBase, kQwenEps},
        {"qwen3-8b", 36, 4096, 32, 8, 12288, 151936, false, "qwen3", 128, kQwenBase, kQwenEps},
        {"qwen3-27b", 64, 5120, 40, 8, 21504, 151936, false, "qwen3", 128, kQwenBase, kQwenEps},  // of no real model
        {"qwen3-32b", 64, 5120, 64, 8, 25600, 151936, false, "qwen3", 128, kQwenBase, kQwenEps},
        // mixtures: experts, those of a token, the width of one. Mixtral is a llama in GGUF.
        {"tiny-moe", 2, 64, 4, 2, 128, 512, true, "qwen3moe", 16, kQwenBase, kQwenEps, {4, 2, 64}},
        {"qwen3-30b-a3b", 48, 2048, 32, 4, 6144, 151936, false, "qwen3moe", 128, kQwenBase, kQwenEps, {128, 8, 768}},
        {"mixtral-8x7b", 32, 4096, 32, 8, 14336, 32000, false, "llama", 0, 1e6, 1e-5, {8, 2, 14336}},
    };
    return shapes;
}

}  // namespace

ModelShape model_shape(const std::string & name) {
    if (name.ends_with(".json")) return read_model_shape(name);
    for (const ModelShape & shape : known_shapes())
        if (name == shape.name) return shape;
    bad_input("--shape: '%s' is unknown; %s are, and a FILE.json", name.c_str(), model_shape_names().c_str());
}

std::string model_shape_names() {
    std::string names;
    for (const ModelShape & shape : known_shapes()) names += (names.empty() ? "" : ", ") + shape.name;
    return names;
}

}  // namespace ql::cli
