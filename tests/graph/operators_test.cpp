// What operators promise beyond their formulas: edges, absent data, in-place updates, and identities between operators.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ggml/ops/dropout.hpp"
#include "ql/ql.h"
#include "support/reference_run.hpp"

namespace ql::test {
namespace {

struct Fixture {
    Graph g;
    ReferenceRun<float> run{g};
    Tensor * f32(Shape s, uint64_t seed, TensorKind kind = TensorKind::input) {
        Tensor * t = g.leaf(kind, "x", QL_F32, QL_MAX_DIMS, s.ne.data(), nullptr);
        run.set(t, case_floats({s}, seed));
        return t;
    }
    Tensor * f32(const std::vector<float> & v, TensorKind kind = TensorKind::input) {
        const auto n = static_cast<int64_t>(v.size());
        Tensor * t = g.leaf(kind, "x", QL_F32, 1, &n, nullptr);
        run.set(t, v);
        return t;
    }
    Tensor * i32(const std::vector<int32_t> & v, Shape s) {
        Tensor * t = g.leaf(TensorKind::input, "i", QL_I32, QL_MAX_DIMS, s.ne.data(), nullptr);
        run.set(t, v);
        return t;
    }
    std::vector<float> result(const Tensor * t) { return run.run(), run.values(t); }
};

double nmse(const std::vector<float> & a, const std::vector<float> & b) {
    double error = 0, norm = 0;
    for (size_t i = 0; i < a.size(); ++i) error += (a[i] - b[i]) * (a[i] - b[i]), norm += b[i] * b[i];
    return error / norm;
}

TEST(GetRows, GivesNaNForAnIdOutsideTheTable) {
    Fixture f;
    const auto y = f.result(ql_get_rows(&f.g, f.f32({3, 4}, 1), f.i32({3, 4, -1}, 3)));
    EXPECT_TRUE(std::isfinite(y[0]));
    for (size_t i = 3; i < 9; ++i) EXPECT_TRUE(std::isnan(y[i]));
}

TEST(Attention, IsZeroWhereTheSpanIsEmptyAndCutsSpansToTheKeys) {
    Fixture f;
    Tensor *q = f.f32({4, 2, 3}, 1), *k = f.f32({4, 1, 5}, 2), *v = f.f32({4, 1, 5}, 3);
    Tensor * cut = ql_attention(&f.g, q, k, v, f.i32({2, 2, -7, 99, 4, 1}, {2, 3}), 0.5f);
    Tensor * whole = ql_attention(&f.g, q, k, v, f.i32({0, 5, 0, 5, 0, 5}, {2, 3}), 0.5f);
    const auto y = f.result(cut), expected = f.run.values(whole);
    for (size_t i = 0; i < 8; ++i) {
        EXPECT_EQ(y[i], 0);
        EXPECT_EQ(y[8 + i], expected[8 + i]);
        EXPECT_EQ(y[16 + i], 0);
    }
    EXPECT_EQ(f.run.values(cut->producer->result(1))[0], 0);
}

/// Keys 60 to 69 under a table of pages 2 and 0: the last four keys of page 2, the first six of page 0.
TEST(Attention, FindsKeysInThePagesThatATableNames) {
    Fixture f;
    Tensor *q = f.f32({4, 2, 3}, 1), *k = f.f32({4, 1, 64, 3}, 2), *v = f.f32({4, 1, 64, 3}, 3);
    const auto row = [&](const Tensor * pages) {
        const auto all = f.run.values(pages);
        std::vector<float> keys(all.begin() + 4 * (2 * 64 + 60), all.end());
        keys.insert(keys.end(), all.begin(), all.begin() + 4 * 6);
        const int64_t ne[] = {4, 1, 10};
        Tensor * t = f.g.leaf(TensorKind::input, "row", QL_F32, 3, ne, nullptr);
        f.run.set(t, keys);
        return t;
    };
    Tensor *flat_k = row(k), *flat_v = row(v);
    Tensor * paged = ql_attention_paged(&f.g, q, k, v, f.i32({60, 70, 62, 65, 64, 66}, {2, 3}), f.i32({2, 0}, 2), 0.5f);
    Tensor * flat = ql_attention(&f.g, q, flat_k, flat_v, f.i32({0, 10, 2, 5, 4, 6}, {2, 3}), 0.5f);
    f.run.run();
    EXPECT_EQ(f.run.values(paged), f.run.values(flat));
}

TEST(Attention, OfOneKeyIsItsValue) {
    Fixture f;
    Tensor * v = f.f32({4, 1, 5}, 3);
    const auto o = f.result(ql_attention(&f.g, f.f32({4, 1, 1}, 1), f.f32({4, 1, 5}, 2), v, f.i32({2, 3}, {2, 1}), 7));
    const auto values = f.run.values(v);
    for (size_t i = 0; i < 4; ++i) EXPECT_FLOAT_EQ(o[i], values[8 + i]);
}

TEST(Attention, SurvivesLargeScores) {
    Fixture f;
    for (const float x : f.result(ql_attention(&f.g, f.f32({4, 1, 2}, 1), f.f32({4, 1, 5}, 2), f.f32({4, 1, 5}, 3),
                                               f.i32({0, 5, 0, 5}, {2, 2}), 1e6f)))
        EXPECT_TRUE(std::isfinite(x));
}

TEST(HeadLoss, CountsOnlyTokensWithATarget) {
    Fixture f;
    Tensor * nll = nullptr;
    Tensor * loss = ql_head_loss(&f.g, f.f32({3, 4}, 1), f.f32({3, 9}, 2), f.i32({-1, 4, -100, 8}, 4),
                                 f.f32({1, 0.5f, 1, 2}), &nll);
    const float sum = f.result(loss)[0];
    const auto y = f.run.values(nll);
    EXPECT_EQ(y[0], 0);
    EXPECT_EQ(y[2], 0);
    EXPECT_GT(y[1], 0);
    EXPECT_NEAR(sum, 0.5f * y[1] + 2 * y[3], 1e-6);
}

TEST(HeadLoss, IsNaNForATargetOutsideTheVocabulary) {
    Fixture f;
    EXPECT_TRUE(std::isnan(
        f.result(ql_head_loss(&f.g, f.f32({3, 2}, 1), f.f32({3, 9}, 2), f.i32({9, 1}, 2), f.f32({1, 1}), nullptr))[0]));
}

TEST(HeadLoss, OfEqualLogitsIsTheLogarithmOfTheVocabulary) {
    Fixture f;
    Tensor * x = f.f32({0, 0, 0});
    EXPECT_NEAR(f.result(ql_head_loss(&f.g, x, f.f32({3, 9}, 2), f.i32({3}, 1), f.f32({1}), nullptr))[0], std::log(9.0),
                1e-6);
}

TEST(HeadLossBack, GivesTheSameLossAndTokenLossesAsTheForwardNode) {
    Fixture f;
    Tensor *x = f.f32({33, 7}, 1), *w = f.f32({33, 65}, 2), *weight = f.f32({7}, 3);
    Tensor * target = f.i32({1, 64, -1, 0, 3, -1, 9}, 7);
    Tensor * forward = f.g.emit(op::head_loss, {x, w, target, weight}, HeadLossParams{});
    Tensor * back = f.g.emit(op::head_loss_back, {x, w, target, weight, f.f32({1})}, HeadLossParams{});
    ASSERT_NE(back, nullptr) << f.g.status().message();
    f.run.run();
    EXPECT_EQ(f.run.values(forward), f.run.values(back->producer->result(1)));
    EXPECT_EQ(f.run.values(forward->producer->result(1)), f.run.values(back->producer->result(2)));
}

TEST(KvStore, ChangesOnlyTheRowsNamed) {
    Fixture f;
    Tensor *cache = f.f32({2, 4}, 1, TensorKind::state), *rows = f.f32({2, 2}, 2);
    const auto before = f.run.values(cache), r = f.run.values(rows);
    const auto after = f.result(ql_kv_store(&f.g, cache, rows, f.i32({3, 0}, 2)));
    EXPECT_EQ(after, (std::vector<float>{r[2], r[3], before[2], before[3], before[4], before[5], r[0], r[1]}));
    EXPECT_EQ(f.run.values(cache), after);
}

TEST(Rope, InverseUndoesIt) {
    for (const ql_rope_mode mode : {QL_ROPE_NORMAL, QL_ROPE_NEOX}) {
        Fixture f;
        Tensor * x = f.f32({10, 3, 5}, 1);
        Tensor * table = ql_rope_table(&f.g, f.i32({0, 1, 7, 8191, 100000}, 5), nullptr, 6, 1e4f, 1, 1);
        Tensor * y = ql_rope(&f.g, x, table, mode);
        Tensor * back = f.g.emit(op::rope, {y, table}, RopeParams{mode, 1});
        f.run.run();
        EXPECT_LT(nmse(f.run.values(back), f.run.values(x)), 1e-13);
        EXPECT_GT(nmse(f.run.values(y), f.run.values(x)), 1e-2);
    }
}

TEST(Rope, ModesDifferByThePermutationOfPairs) {
    Fixture f;
    std::vector<float> normal = case_floats({Shape(8)}, 1), neox(8);
    for (size_t i = 0; i < 4; ++i) neox[i] = normal[2 * i], neox[i + 4] = normal[2 * i + 1];
    const int64_t ne[] = {8, 1, 1};
    Tensor * table = ql_rope_table(&f.g, f.i32({5}, 1), nullptr, 8, 1e4f, 1, 1);
    Tensor * a = ql_rope(&f.g, ql_reshape(&f.g, f.f32(normal), 3, ne), table, QL_ROPE_NORMAL);
    Tensor * b = ql_rope(&f.g, ql_reshape(&f.g, f.f32(neox), 3, ne), table, QL_ROPE_NEOX);
    const auto y = f.result(a), z = f.run.values(b);
    for (size_t i = 0; i < 4; ++i) {
        EXPECT_EQ(y[2 * i], z[i]);
        EXPECT_EQ(y[2 * i + 1], z[i + 4]);
    }
}

TEST(RopeTable, HasTheAnglesOfTheFormula) {
    Fixture f;
    const auto y = f.result(ql_rope_table(&f.g, f.i32({0, 100000}, 2), f.f32({1, 4}), 4, 100, 0.5f, 2));
    EXPECT_FLOAT_EQ(y[0], 2);
    EXPECT_FLOAT_EQ(y[1], 0);
    EXPECT_FLOAT_EQ(y[5], static_cast<float>(2 * std::sin(50000.0)));
    EXPECT_FLOAT_EQ(y[6], static_cast<float>(2 * std::cos(50000.0 / 10 / 4)));
}

TEST(Lora, IsTheSumOfItsProducts) {
    Fixture f;
    Tensor *y = f.f32({33, 7}, 1), *x = f.f32({65, 7}, 2), *a = f.f32({65, 3}, 3), *b = f.f32({3, 33}, 4);
    Tensor * fused = ql_lora(&f.g, y, x, a, b, 1);
    Tensor * plain = ql_add(&f.g, y, ql_mul_mat(&f.g, b, ql_mul_mat(&f.g, a, x)));
    f.run.run();
    EXPECT_LT(nmse(f.run.values(fused), f.run.values(plain)), 1e-13);
}

TEST(Add, AddsARowToEveryRow) {
    Fixture f;
    Tensor *a = f.f32({3, 2}, 1), *b = f.f32({1, 10, 100});
    const auto y = f.result(ql_add(&f.g, a, b)), x = f.run.values(a);
    for (size_t i = 0; i < 6; ++i) EXPECT_EQ(y[i], x[i] + (i % 3 == 0 ? 1.0f : i % 3 == 1 ? 10.0f : 100.0f));
}

TEST(GlobalNorm, IsOverAllTensorsAndPassesNonFiniteOn) {
    for (const float last : {2.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
        Fixture f;
        Tensor * x[] = {f.f32({1, 2}), f.f32({4, last})};
        const float norm = f.result(ql_global_norm(&f.g, x, 2))[0];
        if (std::isfinite(last))
            EXPECT_EQ(norm, 5);
        else
            EXPECT_FALSE(std::isfinite(norm));
    }
}

TEST(Accumulate, AddsInPlaceAndZeroEmpties) {
    Fixture f;
    Tensor * sum = f.f32({1, 2, 3}, TensorKind::state);
    ql_accumulate(&f.g, sum, f.f32({10, 20, 30}));
    EXPECT_EQ(f.result(sum), (std::vector<float>{11, 22, 33}));
    ql_zero(&f.g, sum);
    EXPECT_EQ(f.result(sum), (std::vector<float>{0, 0, 0}));
}

// Known answers of the paper's own library, Random123 (kat_vectors).
TEST(Philox, GivesThePublishedNumbers) {
    EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
              (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

std::vector<float> dropped(Shape s, float p, int stream, std::vector<int32_t> key) {
    Fixture f;
    Tensor * x = f.f32(std::vector<float>(static_cast<size_t>(s.elements()), 1.0f));
    return f.result(ql_dropout(&f.g, ql_reshape(&f.g, x, QL_MAX_DIMS, s.ne.data()), f.i32(key, 4), p, stream));
}

TEST(Dropout, KeepsTheRightShareAndTheMean) {
    const auto y = dropped({1000, 100}, 0.25f, 1, {1, 2, 3, 0});
    const auto kept = static_cast<double>(y.size()) - static_cast<double>(std::count(y.begin(), y.end(), 0.0f));
    EXPECT_NEAR(kept / 1e5, 0.75, 0.006);
    for (const float v : y) EXPECT_TRUE(v == 0 || std::abs(v - 4.0f / 3) < 1e-6);
}

TEST(Dropout, DependsOnSeedStreamStepAndTheTokensPlaceInTheStepOnly) {
    const auto all = dropped({33, 8}, 0.5f, 1, {1, 2, 3, 0});
    const auto later = dropped({33, 3}, 0.5f, 1, {1, 2, 3, 5});
    EXPECT_TRUE(std::equal(later.begin(), later.end(), all.begin() + 33 * 5));
    EXPECT_NE(dropped({33, 8}, 0.5f, 2, {1, 2, 3, 0}), all);
    EXPECT_NE(dropped({33, 8}, 0.5f, 1, {9, 2, 3, 0}), all);
    EXPECT_NE(dropped({33, 8}, 0.5f, 1, {1, 9, 3, 0}), all);
    EXPECT_NE(dropped({33, 8}, 0.5f, 1, {1, 2, 9, 0}), all);
}

std::vector<float> noisy(int64_t n, const std::vector<float> & amplitudes, int stream, std::vector<int32_t> key) {
    Fixture f;
    const int64_t ne[] = {n, static_cast<int64_t>(amplitudes.size())};
    Tensor * x = f.f32(std::vector<float>(static_cast<size_t>(ne[0] * ne[1]), 0.0f));
    return f.result(ql_uniform_noise(&f.g, ql_reshape(&f.g, x, 2, ne), f.f32(amplitudes), f.i32(key, 4), stream));
}

TEST(UniformNoise, FillsTheIntervalOfEachTokensAmplitude) {
    const auto y = noisy(50000, {0.5f, 0, 3}, 1, {1, 2, 3, 0});
    for (const size_t t : {size_t{0}, size_t{1}, size_t{2}}) {
        const double amplitude = t == 0 ? 0.5 : t == 1 ? 0 : 3;
        double sum = 0, squares = 0, largest = 0;
        for (size_t i = 0; i < 50000; ++i) {
            const auto v = static_cast<double>(y[t * 50000 + i]);
            sum += v, squares += v * v, largest = std::max(largest, std::abs(v));
        }
        EXPECT_NEAR(sum / 5e4, 0, 0.01 * amplitude);
        EXPECT_NEAR(squares / 5e4, amplitude * amplitude / 3, 0.005 * amplitude * amplitude);
        EXPECT_LE(largest, amplitude);
        EXPECT_GE(largest, 0.999 * amplitude);
    }
}

TEST(UniformNoise, DependsOnSeedStreamStepAndTheTokensPlaceInTheStepOnly) {
    const std::vector<float> ones(8, 1.0f), three(3, 1.0f);
    const auto all = noisy(33, ones, 1, {1, 2, 3, 0}), later = noisy(33, three, 1, {1, 2, 3, 5});
    EXPECT_TRUE(std::equal(later.begin(), later.end(), all.begin() + 33 * 5));
    EXPECT_NE(noisy(33, ones, 2, {1, 2, 3, 0}), all);
    EXPECT_NE(noisy(33, ones, 1, {9, 2, 3, 0}), all);
    EXPECT_NE(noisy(33, ones, 1, {1, 9, 3, 0}), all);
    EXPECT_NE(noisy(33, ones, 1, {1, 2, 9, 0}), all);
}

}  // namespace
}  // namespace ql::test
