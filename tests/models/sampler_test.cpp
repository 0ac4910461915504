// Which sequences a step trains on: all of them in every epoch, each epoch in another order, and the same ones in a run
// that was resumed.
#include "models/train/sampler.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace ql::test {
namespace {

/// n samples of a few tokens; the first token is the sample's number.
std::vector<TokenSample> samples_of(int32_t n) {
    std::vector<TokenSample> samples;
    for (int32_t s = 0; s < n; ++s) {
        TokenSample sample;
        sample.push(s, false);
        for (int32_t i = 0; i < 2 + s % 5; ++i) sample.push(1000 + i, true);
        samples.push_back(std::move(sample));
    }
    return samples;
}

using Order = std::vector<int32_t>;

/// The samples' numbers in the order of an epoch's steps.
Order epoch_order(Sampler & sampler, int64_t epoch) {
    Order order;
    for (int64_t i = 0; i < sampler.steps_per_epoch(); ++i)
        for (const PackedSequence & s : sampler.step(epoch * sampler.steps_per_epoch() + i))
            for (size_t t = 0; t < s.tokens.size(); ++t)
                if (s.positions[t] == 0) order.push_back(s.tokens[t]);
    return order;
}

Order sorted(Order order) {
    std::sort(order.begin(), order.end());
    return order;
}

SamplerOptions options(bool packing, bool shuffle, uint64_t seed = 42) {
    return {.ctx = 24, .sequences_per_step = 4, .packing = packing, .shuffle = shuffle, .seed = seed};
}

TEST(Sampler, EveryEpochHasEverySampleOnce) {
    const auto samples = samples_of(101);
    for (const bool packing : {true, false}) {
        Sampler sampler(samples, options(packing, true));
        for (const int64_t epoch : {0, 1, 7}) {
            const Order order = sorted(epoch_order(sampler, epoch));
            ASSERT_EQ(order.size(), samples.size());
            for (size_t i = 0; i < order.size(); ++i) EXPECT_EQ(order[i], static_cast<int32_t>(i));
        }
    }
}

TEST(Sampler, EveryEpochHasAnOrderOfItsOwn) {
    const auto samples = samples_of(101);
    for (const bool packing : {true, false}) {
        Sampler sampler(samples, options(packing, true));
        const Order first = epoch_order(sampler, 0), second = epoch_order(sampler, 1), third = epoch_order(sampler, 2);
        EXPECT_NE(first, sorted(first));
        EXPECT_NE(first, second);
        EXPECT_NE(first, third);
        EXPECT_NE(second, third);
    }
}

TEST(Sampler, WithoutShuffleEveryEpochHasTheOrderOfTheFile) {
    const auto samples = samples_of(101);
    Sampler sampler(samples, options(false, false));
    for (const int64_t epoch : {0, 1}) {
        const Order order = epoch_order(sampler, epoch);
        EXPECT_EQ(order, sorted(order));
    }
}

TEST(Sampler, AnotherSeedGivesAnotherOrder) {
    const auto samples = samples_of(101);
    Sampler a(samples, options(false, true, 1)), b(samples, options(false, true, 2)),
        c(samples, options(false, true, 1));
    EXPECT_NE(epoch_order(a, 0), epoch_order(b, 0));
    EXPECT_EQ(epoch_order(a, 0), epoch_order(c, 0));
}

TEST(Sampler, AStepDoesNotDependOnTheStepsBefore) {
    const auto samples = samples_of(101);
    Sampler whole(samples, options(true, true));
    std::vector<std::vector<int32_t>> tokens;
    for (int64_t step = 0; step < 3 * whole.steps_per_epoch(); ++step) tokens.push_back(whole.step(step)[0].tokens);
    for (int64_t step = 0; step < 3 * whole.steps_per_epoch(); ++step) {
        Sampler resumed(samples, options(true, true));
        EXPECT_EQ(resumed.step(step)[0].tokens, tokens[static_cast<size_t>(step)]) << step;
    }
}

TEST(Sampler, AnEpochIsAsManyStepsAsItsSequencesNeed) {
    const auto samples = samples_of(101);
    Sampler sampler(samples, options(false, true));
    EXPECT_EQ(sampler.n_sequences(), 101);
    EXPECT_EQ(sampler.steps_per_epoch(), 26);  // of 4; the 3 that the last would lack are spread: none has more than 4
    for (int64_t step = 0; step < 26; ++step) {
        EXPECT_GE(sampler.step(step).size(), 3u);
        EXPECT_LE(sampler.step(step).size(), 4u);
    }
}

}  // namespace
}  // namespace ql::test
