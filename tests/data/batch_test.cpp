// A micro-batch: sequences beside one another, each padded to the context, each sample separate from the others.
#include "models/data/batch.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

using Ints = std::vector<int32_t>;

/// Two samples of 3 and 2 tokens, of which the last 2 and the last 1 are trained.
PackedSequence two_samples(int32_t first) {
    return {.tokens = {first, first + 1, first + 2, first + 3, first + 4},
            .targets = {first + 1, first + 2, -1, first + 4, -1},
            .positions = {0, 1, 2, 0, 1},
            .segments = {0, 0, 0, 1, 1}};
}

TEST(MicroBatch, LaysSequencesSideBySideAndSamplesApart) {
    const PackedSequence sequences[] = {two_samples(10), two_samples(20)};
    const MicroBatch b = MicroBatch::from_sequences(sequences, 3, 6, 0.25f);
    EXPECT_EQ(b.tokens, (Ints{10, 11, 12, 13, 14, 0, 20, 21, 22, 23, 24, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(b.positions, (Ints{0, 1, 2, 0, 1, 0, 0, 1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0}));
    EXPECT_EQ(b.targets, (Ints{11, 12, -1, 14, -1, -1, 21, 22, -1, 24, -1, -1, -1, -1, -1, -1, -1, -1}));
    EXPECT_EQ(b.n_tokens, 10);
    EXPECT_EQ(b.n_trained, 6);
}

TEST(MicroBatch, ATokenSeesItselfAndThoseBeforeItOfItsSample) {
    const PackedSequence sequences[] = {two_samples(10), two_samples(20)};
    const MicroBatch b = MicroBatch::from_sequences(sequences, 2, 6, 1.0f);
    EXPECT_EQ(b.span, (Ints{0, 1, 0, 2, 0, 3, 3, 4,  3, 5,  0, 0,  //
                            6, 7, 6, 8, 6, 9, 9, 10, 9, 11, 0, 0}));
}

TEST(MicroBatch, WhatIsNotTrainedWeighsNothing) {
    const PackedSequence sequences[] = {two_samples(10)};
    const MicroBatch b = MicroBatch::from_sequences(sequences, 1, 6, 0.25f);
    EXPECT_EQ(b.weights, (std::vector<float>{0.25f, 0.25f, 0, 0.25f, 0, 0}));
}

}  // namespace
}  // namespace ql::test
