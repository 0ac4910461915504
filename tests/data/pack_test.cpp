// Packing: whole samples in segments, each with its own positions; labels never cross a sample.
#include "models/data/pack.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "common/philox.hpp"

namespace ql {
namespace {

/// n samples of odd lengths; token = 1000 * sample + position, and the second half of each sample is trained.
std::vector<TokenSample> samples_of(int n) {
    std::vector<TokenSample> samples;
    for (int s = 0; s < n; ++s) {
        TokenSample sample;
        const int length = 2 + (s * 37) % 61;
        for (int i = 0; i < length; ++i)
            sample.tokens.push_back(1000 * s + i), sample.trained.push_back(i >= length / 2);
        samples.push_back(std::move(sample));
    }
    return samples;
}

int64_t count_labels(const std::vector<PackedSequence> & sequences) {
    int64_t n = 0;
    for (const auto & s : sequences)
        n += std::count_if(s.targets.begin(), s.targets.end(), [](int32_t t) { return t >= 0; });
    return n;
}

TEST(Pack, EverySampleIsThereOnceWholeAndInASegmentOfItsOwn) {
    const auto samples = samples_of(203);
    constexpr int64_t kCtx = 67;
    for (const bool packing : {true, false}) {
        const auto sequences = pack(samples, sample_order(203, true, 5, 1), kCtx, packing);
        std::set<int32_t> seen;
        for (const PackedSequence & s : sequences) {
            ASSERT_LE(s.tokens.size(), static_cast<size_t>(kCtx));
            for (const auto * part : {&s.targets, &s.positions, &s.segments}) ASSERT_EQ(part->size(), s.tokens.size());
            for (size_t i = 0; i < s.tokens.size(); ++i) {
                const TokenSample & sample = samples[static_cast<size_t>(s.tokens[i] / 1000)];
                const auto at = static_cast<size_t>(s.positions[i]);
                EXPECT_EQ(s.tokens[i], sample.tokens[at]);
                EXPECT_TRUE(seen.insert(s.tokens[i]).second);
                const bool has_label = at + 1 < sample.tokens.size() && sample.trained[at + 1];
                EXPECT_EQ(s.targets[i], has_label ? sample.tokens[at + 1] : -1);
                if (at > 0) {
                    EXPECT_EQ(s.segments[i], s.segments[i - 1]);
                    EXPECT_EQ(s.tokens[i - 1], s.tokens[i] - 1);
                } else if (i > 0) {
                    EXPECT_EQ(s.segments[i], s.segments[i - 1] + 1);
                }
            }
        }
        int64_t tokens = 0, labels = 0;
        for (const TokenSample & s : samples) tokens += static_cast<int64_t>(s.tokens.size()), labels += s.n_trained();
        EXPECT_EQ(static_cast<int64_t>(seen.size()), tokens);
        EXPECT_EQ(count_labels(sequences), labels);
        if (packing)
            EXPECT_LE(sequences.size(),
                      static_cast<size_t>(tokens / kCtx * 11 / 10 + 1));  // at most a tenth is padding
        else
            EXPECT_EQ(sequences.size(), samples.size());
    }
}

TEST(Pack, TakesMemoryByTokensNotByContext) {
    const auto samples = samples_of(100);
    size_t tokens = 0, room = 0;
    for (const TokenSample & s : samples) tokens += s.tokens.size();
    for (const PackedSequence & s : pack(samples, sample_order(100, false, 0, 0), 1 << 20, false))
        for (const auto * part : {&s.tokens, &s.targets, &s.positions, &s.segments}) room += part->capacity();
    EXPECT_LE(room, 5 * tokens);
}

TEST(Pack, OneSampleChangesNoOther) {
    auto samples = samples_of(40);
    const auto order = sample_order(40, true, 9, 0);
    const auto before = pack(samples, order, 64, true);
    for (int32_t & token : samples[17].tokens) token = -7;
    const auto after = pack(samples, order, 64, true);
    ASSERT_EQ(before.size(), after.size());
    for (size_t s = 0; s < before.size(); ++s)
        for (size_t i = 0; i < before[s].tokens.size(); ++i) {
            if (before[s].tokens[i] / 1000 == 17) continue;
            EXPECT_EQ(before[s].tokens[i], after[s].tokens[i]);
            EXPECT_EQ(before[s].targets[i], after[s].targets[i]);
            EXPECT_EQ(before[s].positions[i], after[s].positions[i]);
            EXPECT_EQ(before[s].segments[i], after[s].segments[i]);
        }
}

TEST(Pack, OrderDependsOnSeedAndEpochAlone) {
    const auto order = sample_order(1001, true, 42, 3);
    EXPECT_EQ(order, sample_order(1001, true, 42, 3));
    EXPECT_NE(order, sample_order(1001, true, 42, 4));
    EXPECT_NE(order, sample_order(1001, true, 43, 3));
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, sample_order(1001, false, 42, 3));
    int64_t fixed = 0;
    for (size_t i = 0; i < order.size(); ++i) fixed += order[i] == static_cast<int64_t>(i);
    EXPECT_LT(fixed, 10);
    EXPECT_TRUE(sample_order(0, true, 1, 1).empty());
}

TEST(Pack, ShuffleIsFair) {  // each of 5 samples comes first in about a fifth of the epochs
    std::vector<int> first(5);
    for (int64_t epoch = 0; epoch < 5000; ++epoch) ++first[static_cast<size_t>(sample_order(5, true, 1, epoch)[0])];
    for (const int n : first) EXPECT_NEAR(n, 1000, 130);
}

TEST(Philox, GivesThePapersNumbers) {  // the known answers that come with Random123
    EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
              (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

}  // namespace
}  // namespace ql
