// One micro-batch as the graph takes it: a flat stream of T tokens.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "models/data/pack.hpp"

namespace ql {

struct MicroBatch {
    std::vector<int32_t> tokens, positions, span, targets;  // [T], [T], [2, T], [T]
    std::vector<float> weights;                             // [T]: 1 / trained tokens of the whole step
    int64_t n_trained = 0;
    int64_t n_tokens = 0;  // without padding

    /// Lays sequences one after the other, padded with empty sequences to n_sequences. Every token sees the tokens of
    /// its own segment up to itself; padding sees nothing and is not trained.
    static MicroBatch from_sequences(std::span<const PackedSequence> sequences, int64_t n_sequences, int64_t ctx,
                                     float weight);
};

}  // namespace ql
