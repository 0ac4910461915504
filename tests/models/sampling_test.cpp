// Choosing the next token: what each option keeps and what it drops, and that draws follow the probabilities.
#include "models/infer/sampling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace ql::test {
namespace {

constexpr int64_t kDraws = 4000;

/// Temperature 1 and everything else off.
ql_sampling plain() {
    ql_sampling s{};
    s.size = sizeof(s);
    s.temperature = 1;
    s.top_p = 1;
    s.repeat_penalty = 1;
    s.seed = 7;
    return s;
}

ql_sampling greedy() {
    ql_sampling s = plain();
    s.temperature = 0;
    return s;
}

/// Logits of tokens 0, 1, 2 ...: token i has the i-th of these probabilities, which need not be sorted.
std::vector<float> logits_that_mean(const std::vector<double> & probabilities) {
    std::vector<float> logits;
    for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p) + 3));
    return logits;
}

/// How often each token is drawn at positions 0, 1, 2 ...
std::vector<int> draws(const std::vector<float> & logits, const ql_sampling & s) {
    std::vector<int> count(logits.size());
    for (int64_t at = 0; at < kDraws; ++at) ++count[static_cast<size_t>(sample(logits, {}, s, at))];
    return count;
}

std::set<int> drawn(const std::vector<float> & logits, const ql_sampling & s) {
    std::set<int> ids;
    const std::vector<int> count = draws(logits, s);
    for (size_t i = 0; i < count.size(); ++i)
        if (count[i] > 0) ids.insert(static_cast<int>(i));
    return ids;
}

/// Within five standard deviations of what the probabilities say.
void expect_frequencies(const std::vector<int> & count, const std::vector<double> & probabilities) {
    for (size_t i = 0; i < count.size(); ++i) {
        const double p = probabilities[i], n = static_cast<double>(kDraws);
        EXPECT_NEAR(count[i], n * p, 5 * std::sqrt(n * p * (1 - p))) << "token " << i;
    }
}

const std::vector<double> kFive = {0.1, 0.4, 0.05, 0.25, 0.2};  // best first: 1, 3, 4, 0, 2
using Ids = std::set<int>;

TEST(Sampling, DrawsFollowTheProbabilities) {
    expect_frequencies(draws(logits_that_mean(kFive), plain()), kFive);
}

TEST(Sampling, TemperatureDividesTheLogits) {
    for (const double temperature : {0.5, 2.0}) {
        ql_sampling s = plain();
        s.temperature = temperature;
        std::vector<double> expected;
        double sum = 0;
        for (const double p : kFive) expected.push_back(std::pow(p, 1 / temperature)), sum += expected.back();
        for (double & p : expected) p /= sum;
        expect_frequencies(draws(logits_that_mean(kFive), s), expected);
    }
}

TEST(Sampling, TemperatureZeroIsTheMostProbableTokenAndTheLowestOfEquals) {
    EXPECT_EQ(drawn(logits_that_mean(kFive), greedy()), Ids{1});
    EXPECT_EQ(sample(std::vector<float>{1, 4, 2, 4}, {}, greedy(), 0), 1);
}

TEST(Sampling, TopKKeepsTheKMostProbable) {
    ql_sampling s = plain();
    const std::vector<Ids> kept = {{0, 1, 2, 3, 4}, {1}, {1, 3}, {1, 3, 4}, {0, 1, 3, 4}, {0, 1, 2, 3, 4}};
    for (s.top_k = 0; s.top_k <= 5; ++s.top_k)
        EXPECT_EQ(drawn(logits_that_mean(kFive), s), kept[static_cast<size_t>(s.top_k)]) << "top-k " << s.top_k;
    s.top_k = 100;  // more than there are tokens
    EXPECT_EQ(drawn(logits_that_mean(kFive), s), kept[0]);
}

TEST(Sampling, WhatIsKeptIsDrawnByItsShareOfIt) {
    for (const bool by_rank : {true, false}) {
        ql_sampling s = plain();
        if (by_rank)
            s.top_k = 2;
        else
            s.top_p = 0.64;
        expect_frequencies(draws(logits_that_mean(kFive), s), {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0});
    }
}

TEST(Sampling, TopPKeepsTheFewestThatReachIt) {
    const std::pair<double, Ids> cases[] = {{0.0, {1}},           {0.39, {1}},           {0.41, {1, 3}},
                                            {0.64, {1, 3}},       {0.66, {1, 3, 4}},     {0.84, {1, 3, 4}},
                                            {0.86, {0, 1, 3, 4}}, {1.0, {0, 1, 2, 3, 4}}};
    for (const auto & [top_p, kept] : cases) {
        ql_sampling s = plain();
        s.top_p = top_p;
        EXPECT_EQ(drawn(logits_that_mean(kFive), s), kept) << "top-p " << top_p;
    }
}

TEST(Sampling, MinPKeepsWhatIsThatLargeAPartOfTheMostProbable) {
    const std::pair<double, Ids> cases[] = {{0.12, {0, 1, 2, 3, 4}}, {0.13, {0, 1, 3, 4}}, {0.26, {1, 3, 4}},
                                            {0.51, {1, 3}},          {0.63, {1}},          {1.0, {1}}};
    for (const auto & [min_p, kept] : cases) {
        ql_sampling s = plain();
        s.min_p = min_p;
        EXPECT_EQ(drawn(logits_that_mean(kFive), s), kept) << "min-p " << min_p;
    }
}

/// At a high temperature the five are nearly equal: 0.75 of their sum takes four, and 0.51 of the best all five.
TEST(Sampling, TopPAndMinPCountWhatTemperatureMade) {
    ql_sampling s = plain();
    s.temperature = 10;
    s.top_p = 0.75;
    EXPECT_EQ(drawn(logits_that_mean(kFive), s), (Ids{0, 1, 3, 4}));
    s.top_p = 1, s.min_p = 0.51;
    EXPECT_EQ(drawn(logits_that_mean(kFive), s), (Ids{0, 1, 2, 3, 4}));
}

/// Of the two that top-k leaves, the first has 0.4 / 0.65 = 0.62 of their sum.
TEST(Sampling, TopPCountsWhatTopKLeft) {
    ql_sampling s = plain();
    s.top_k = 2;
    s.top_p = 0.6;
    EXPECT_EQ(drawn(logits_that_mean(kFive), s), Ids{1});
}

TEST(Sampling, RepeatPenaltyDividesPositiveLogitsAndMultipliesNegativeOnes) {
    ql_sampling s = greedy();
    s.repeat_penalty = 2;
    const std::vector<int32_t> recent = {0};
    EXPECT_EQ(sample(std::vector<float>{3.0f, 1.6f}, recent, s, 0), 1);  // 3 / 2 < 1.6
    EXPECT_EQ(sample(std::vector<float>{3.0f, 1.4f}, recent, s, 0), 0);
    EXPECT_EQ(sample(std::vector<float>{-1.0f, -1.9f}, recent, s, 0), 1);  // -1 * 2 < -1.9
    EXPECT_EQ(sample(std::vector<float>{-1.0f, -2.1f}, recent, s, 0), 0);
}

TEST(Sampling, ATokenThatCameOftenIsPenalisedOnce) {
    ql_sampling s = greedy();
    s.repeat_penalty = 2;
    const std::vector<int32_t> recent = {0, 0, 0};
    EXPECT_EQ(sample(std::vector<float>{3.0f, 1.4f}, recent, s, 0), 0);
}

TEST(Sampling, APenaltyBelowOneFavoursWhatCame) {
    ql_sampling s = greedy();
    s.repeat_penalty = 0.5;
    const std::vector<int32_t> recent = {1};
    EXPECT_EQ(sample(std::vector<float>{3.0f, 1.6f}, recent, s, 0), 1);
    EXPECT_EQ(sample(std::vector<float>{3.0f, 1.4f}, recent, s, 0), 0);
}

TEST(Sampling, ThePenaltyComesBeforeTopK) {
    ql_sampling s = plain();
    s.repeat_penalty = 4;
    s.top_k = 2;
    const std::vector<int32_t> recent = {1};
    std::set<int> ids;
    for (int64_t at = 0; at < kDraws; ++at) ids.insert(sample(logits_that_mean(kFive), recent, s, at));
    EXPECT_EQ(ids, (Ids{3, 4}));
}

TEST(Sampling, ADrawIsAFunctionOfSeedAndPosition) {
    const auto series = [](uint64_t seed, int64_t first) {
        ql_sampling s = plain();
        s.seed = seed;
        std::vector<int32_t> ids;
        for (int64_t at = first; at < first + 64; ++at) ids.push_back(sample(logits_that_mean(kFive), {}, s, at));
        return ids;
    };
    EXPECT_EQ(series(1, 0), series(1, 0));
    EXPECT_NE(series(1, 0), series(2, 0));
    EXPECT_NE(series(1, 0), series(uint64_t{1} | uint64_t{1} << 32, 0));
    EXPECT_NE(series(1, 0), series(1, 64));
}

TEST(Sampling, LogProbabilitiesAreThoseOfTheWholeVocabularyBestFirst) {
    const auto top = top_logprobs(logits_that_mean(kFive), 3);
    ASSERT_EQ(top.size(), 3u);
    const int32_t ids[] = {1, 3, 4};
    for (size_t i = 0; i < 3; ++i) {
        EXPECT_EQ(top[i].id, ids[i]);
        EXPECT_NEAR(top[i].logprob, std::log(kFive[static_cast<size_t>(ids[i])]), 1e-6);
    }
    EXPECT_EQ(top_logprobs(std::vector<float>{1, 4, 2, 4}, 2)[0].id, 1);
    EXPECT_EQ(top_logprobs(std::vector<float>{1, 2}, 9).size(), 2u);
}

TEST(Sampling, TheSumOfLargeExponentialsIsFiniteAndANanIsSeen) {
    EXPECT_NEAR(log_sum_exp(std::vector<float>{1000, 1000}), 1000 + std::log(2.0), 1e-9);
    EXPECT_NEAR(log_sum_exp(std::vector<float>{-1000, -1000}), -1000 + std::log(2.0), 1e-9);
    for (const auto & logits :
         {std::vector<float>{NAN, 1}, std::vector<float>{1, NAN}, std::vector<float>{INFINITY, 1}})
        EXPECT_FALSE(std::isfinite(log_sum_exp(logits)));
}

TEST(Sampling, NamesTheOptionThatIsOutOfRange) {
    const auto message = [](auto change) {
        ql_sampling s = plain();
        change(s);
        const Status status = check_sampling(s);
        return status.ok() ? std::string() : status.message().substr(0, status.message().find(':'));
    };
    EXPECT_EQ(message([](ql_sampling &) {}), "");
    EXPECT_EQ(message([](ql_sampling & s) { s.temperature = -0.1; }), "temp");
    EXPECT_EQ(message([](ql_sampling & s) { s.temperature = NAN; }), "temp");
    EXPECT_EQ(message([](ql_sampling & s) { s.top_k = -1; }), "top-k");
    EXPECT_EQ(message([](ql_sampling & s) { s.top_p = 1.01; }), "top-p");
    EXPECT_EQ(message([](ql_sampling & s) { s.min_p = -0.01; }), "min-p");
    EXPECT_EQ(message([](ql_sampling & s) { s.repeat_penalty = 0; }), "repeat-penalty");
}

}  // namespace
}  // namespace ql::test
