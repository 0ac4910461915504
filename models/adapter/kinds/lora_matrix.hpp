// What an adapter holds for one linear.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace ql {

/// How the matrices of a linear are trained (kind.hpp). But for DoRA, what they add is s B A.
enum class LoraKind : uint8_t { lora, miss, dora };

/// One linear's branch: y += scale * B (A x). A is [k, r] (r rows of k), B is [r, m] (m rows of r), innermost first.
struct LoraMatrix {
    std::string weight;  // "blk.0.attn_q.weight"
    int64_t k = 0, m = 0, r = 0;
    float scale = 1.0f;
    std::vector<float> a, b;  // a is empty where fixed_a stands in its place
    LoraKind kind = LoraKind::lora;
    int64_t frozen = 0;            // the last ranks, of the r, that training leaves as they are (frozen.hpp)
    std::vector<float> magnitude;  // DoRA: [m], the norms of the rows of W + s B A
    /// DoRA, new: [m], the squares of the norms of the base's rows, and the fingerprint of the model that has them. They are
    /// known from the start's magnitudes, and a run need not decode the base again for them.
    std::vector<float> base_squares;
    uint64_t squares_of = 0;
    /// A where the kind has it for good: one for all branches of its shape, of which an adapter has many.
    std::shared_ptr<const std::vector<float>> fixed_a;

    /// A, whoever holds it.
    const std::vector<float> & down() const { return fixed_a ? *fixed_a : a; }
};

/// What a LoRA or a MiSS adds, as a plain LoRA: with an A of its own.
inline LoraMatrix as_lora(LoraMatrix m) {
    m.kind = LoraKind::lora;
    if (m.fixed_a) m.a = *std::exchange(m.fixed_a, nullptr);
    return m;
}

}  // namespace ql
