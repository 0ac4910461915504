#include "models/data/batch.hpp"

namespace ql {

MicroBatch MicroBatch::from_sequences(std::span<const PackedSequence> sequences, int64_t n_sequences, int64_t ctx,
                                      float weight) {
    MicroBatch b;
    const auto n = static_cast<size_t>(n_sequences * ctx);
    b.tokens.assign(n, 0);
    b.positions.assign(n, 0);
    b.span.assign(2 * n, 0);
    b.targets.assign(n, -1);
    b.weights.assign(n, 0.0f);
    for (size_t s = 0; s < sequences.size(); ++s) {
        const PackedSequence & seq = sequences[s];
        size_t first = 0;  // of the current segment
        for (size_t i = 0; i < seq.tokens.size(); ++i) {
            const size_t t = s * static_cast<size_t>(ctx) + i;
            if (i == 0 || seq.segments[i] != seq.segments[i - 1]) first = t;
            b.tokens[t] = seq.tokens[i];
            b.positions[t] = seq.positions[i];
            b.span[2 * t] = static_cast<int32_t>(first);
            b.span[2 * t + 1] = static_cast<int32_t>(t + 1);
            b.targets[t] = seq.targets[i];
            ++b.n_tokens;
            if (seq.targets[i] < 0) continue;
            b.weights[t] = weight;
            ++b.n_trained;
        }
    }
    return b;
}

}  // namespace ql
