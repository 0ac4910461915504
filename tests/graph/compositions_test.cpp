// Fused operators against what they are made of: the same values and the same gradients, in f64. This comparison keeps
// a fused operator's formula, and each elementary operator's gradient, from drifting.
#include <gtest/gtest.h>

#include <cmath>

#include "graph/composed.hpp"
#include "ql/ql.h"

namespace ql::test {
namespace {

class Composition : public testing::TestWithParam<ql_compute> {};

Tensor * silu(Composed & c, Tensor * x) {
    return ql_unary(&c.g, x, QL_UNARY_SILU);
}
Tensor * minus(Composed & c, Tensor * a, Tensor * b) {
    return ql_add(&c.g, a, ql_scale(&c.g, b, -1, 0));
}
Tensor * mean(Composed & c, Tensor * x, float offset = 0) {
    return ql_scale(&c.g, ql_sum_rows(&c.g, x), 1 / static_cast<float>(x->shape[0]), offset);
}

TEST_P(Composition, SwigluIsTheProductOfSiluAndUp) {
    Composed c(GetParam());
    Tensor *gate = c.param({33, 7}), *up = c.param({33, 7});
    c.expect_same(ql_swiglu(&c.g, gate, up), ql_mul(&c.g, silu(c, gate), up));
}

TEST_P(Composition, RmsNormIsARowScaledByItsRootMeanSquare) {
    Composed c(GetParam());
    Tensor *x = c.param({65, 5}), *w = c.input({65});
    Tensor * r = ql_unary(&c.g, mean(c, ql_mul(&c.g, x, x), 1e-3f), QL_UNARY_RSQRT);
    c.expect_same(ql_rms_norm(&c.g, x, w, 1e-3f), ql_mul(&c.g, ql_mul(&c.g, x, r), w));
}

TEST_P(Composition, LayerNormIsRmsNormOfWhatIsLeftOfTheMean) {
    Composed c(GetParam());
    Tensor *x = c.param({65, 5}), *w = c.param({65}), *b = c.param({65}), *ones = c.input({65}, Fill::positive);
    c.run.set(ones, std::vector<float>(65, 1.0f));
    Tensor * u = ql_rms_norm(&c.g, minus(c, x, mean(c, x)), ones, 1e-3f);
    c.expect_same(ql_layer_norm(&c.g, x, w, b, 1e-3f), ql_add(&c.g, ql_mul(&c.g, u, w), b));
}

TEST_P(Composition, SoftmaxIsExpOverItsSum) {
    Composed c(GetParam());
    Tensor * x = c.param({33, 5, 2});
    Tensor * e = ql_unary(&c.g, x, QL_UNARY_EXP);
    c.expect_same(ql_softmax(&c.g, x), ql_mul(&c.g, e, ql_unary(&c.g, ql_sum_rows(&c.g, e), QL_UNARY_RECIPROCAL)));
}

TEST_P(Composition, LoraIsASumOfProducts) {
    Composed c(GetParam());
    Tensor *y = c.param({33, 7}), *x = c.param({65, 7}), *a = c.param({65, 3}), *b = c.param({3, 33});
    Tensor * branch = ql_scale(&c.g, ql_mul_mat(&c.g, b, ql_mul_mat(&c.g, a, x)), 0.75f, 0);
    c.expect_same(ql_lora(&c.g, y, x, a, b, 0.75f), ql_add(&c.g, y, branch));
}

TEST_P(Composition, SumOfRowsIsAProductWithOnes) {
    Composed c(GetParam());
    Tensor *x = c.param({33, 5}), *ones = c.input({33, 1});
    c.run.set(ones, std::vector<float>(33, 1.0f));
    c.expect_same(ql_sum_rows(&c.g, x), ql_mul_mat(&c.g, ones, x));
}

TEST_P(Composition, ActivationsAreMadeOfOneAnother) {
    const auto f = [](Composed & c, Tensor * x, ql_unary_kind kind) { return ql_unary(&c.g, x, kind); };
    Composed c(GetParam());
    Tensor * x = c.param({33, 3});
    c.expect_same(silu(c, x), ql_mul(&c.g, x, f(c, x, QL_UNARY_SIGMOID)));
    c.expect_same(f(c, x, QL_UNARY_RELU_SQUARED), ql_mul(&c.g, x, f(c, x, QL_UNARY_RELU)));
    c.expect_same(f(c, x, QL_UNARY_TANH), ql_scale(&c.g, f(c, ql_scale(&c.g, x, 2, 0), QL_UNARY_SIGMOID), 2, -1));
    c.expect_same(f(c, x, QL_UNARY_SOFTPLUS), f(c, ql_scale(&c.g, f(c, x, QL_UNARY_EXP), 1, 1), QL_UNARY_LOG));
    c.expect_same(ql_soft_cap(&c.g, x, 2), ql_scale(&c.g, f(c, ql_scale(&c.g, x, 0.5f, 0), QL_UNARY_TANH), 2, 0));
    c.expect_same(ql_clamp(&c.g, x, 0, INFINITY), f(c, x, QL_UNARY_RELU));
}

/// Heads one by one: scores, a mask of -inf beyond the span, softmax, and the sum of the values.
TEST_P(Composition, AttentionIsSoftmaxOfProducts) {
    constexpr int64_t d = 5, kHeads = 4, kKvHeads = 2, kTokens = 7;
    Composed c(GetParam());
    Tensor *q = c.param({d, kHeads, kTokens}), *k = c.param({d, kKvHeads, kTokens}),
           *v = c.param({d, kKvHeads, kTokens});
    Tensor *span = c.integers({2, kTokens}), *mask = c.input({kTokens, kTokens});
    std::vector<int32_t> ranges;
    std::vector<float> hidden;
    for (int32_t t = 0; t < kTokens; ++t) {
        const int32_t begin = t < 4 ? 0 : 4;  // two packed segments
        ranges.insert(ranges.end(), {begin, t + 1});
        for (int32_t j = 0; j < kTokens; ++j) hidden.push_back(j >= begin && j <= t ? 0 : -INFINITY);
    }
    c.run.set(span, ranges);
    c.run.set(mask, hidden);

    const int64_t flat[] = {d, kTokens}, head[] = {d, 1, kTokens};
    const int transpose[] = {1, 0, 2, 3};
    const auto of_head = [&](Tensor * x, int64_t h) { return ql_reshape(&c.g, ql_slice(&c.g, x, 1, h, 1), 2, flat); };
    Tensor * all = nullptr;
    for (int64_t h = 0; h < kHeads; ++h) {
        Tensor * scores = ql_scale(&c.g, ql_mul_mat(&c.g, of_head(k, h / 2), of_head(q, h)), 0.5f, 0);
        Tensor * p = ql_softmax(&c.g, ql_add(&c.g, scores, mask));
        Tensor * o = ql_mul_mat(&c.g, ql_permute(&c.g, of_head(v, h / 2), transpose), p);
        o = ql_reshape(&c.g, o, 3, head);
        all = all ? ql_concat(&c.g, all, o, 1) : o;
    }
    c.expect_same(ql_attention(&c.g, q, k, v, span, 0.5f), all);
}

TEST_P(Composition, HeadLossIsTheLogarithmOfTheSumOfExpLessTheTarget) {
    constexpr int64_t n = 9, kVocabulary = 21, kTokens = 6;
    Composed c(GetParam());
    Tensor *x = c.param({n, kTokens}), *w = c.input({n, kVocabulary}), *weight = c.input({kTokens}, Fill::positive);
    Tensor *targets = c.integers({kTokens}), *places = c.integers({kTokens}), *counts = c.input({1, kTokens});
    c.run.set(targets, std::vector<int32_t>{3, -1, 20, 0, -5, 7});
    c.run.set(places, std::vector<int32_t>{3, -1, 2 * kVocabulary + 20, 3 * kVocabulary, -1, 5 * kVocabulary + 7});
    c.run.set(counts, std::vector<float>{1, 0, 1, 1, 0, 1});

    const int64_t row[] = {1, kTokens}, numbers[] = {1, kVocabulary * kTokens}, flat = kTokens;
    Tensor * logits = ql_mul_mat(&c.g, w, x);
    Tensor * lse = ql_unary(&c.g, ql_sum_rows(&c.g, ql_unary(&c.g, logits, QL_UNARY_EXP)), QL_UNARY_LOG);
    Tensor * picked = ql_gather_rows(&c.g, ql_reshape(&c.g, logits, 2, numbers), places);
    Tensor * nll = ql_mul(&c.g, minus(c, lse, picked), counts);
    Tensor * loss = ql_mul(&c.g, nll, ql_reshape(&c.g, weight, 2, row));
    c.expect_same(ql_head_loss(&c.g, x, w, targets, weight, nullptr),
                  ql_sum_rows(&c.g, ql_reshape(&c.g, loss, 1, &flat)));
}

/// The second of the three rows comes first, and one is outside the vocabulary. cap 0: none.
void expect_loss_of_another_head(ql_compute compute, float cap) {
    constexpr int64_t n = 9, kVocabulary = 21, kTokens = 6, kRows = 3;
    Composed c(compute);
    Tensor *x = c.param({n, kTokens}), *w = c.input({n, kVocabulary}), *own = c.param({n, kRows});
    Tensor *weight = c.input({kTokens}, Fill::positive), *targets = c.integers({kTokens}), *rows = c.integers({kRows});
    c.run.set(targets, std::vector<int32_t>{4, -1, 20, 0, -5, 7});
    c.run.set(rows, std::vector<int32_t>{20, kVocabulary, 4});
    const auto part = [&](Tensor * t, int64_t first, int64_t size) { return ql_slice(&c.g, t, 1, first, size); };
    const auto join = [&](Tensor * a, Tensor * b) { return ql_concat(&c.g, a, b, 1); };
    Tensor * head = join(join(part(w, 0, 4), part(own, 2, 1)), join(part(w, 5, 15), part(own, 0, 1)));
    // The sum of exp over the other head, without the fused operator, which has no gradient for a head.
    Tensor *places = c.integers({kTokens}), *counts = c.input({1, kTokens});
    c.run.set(places, std::vector<int32_t>{4, -1, 2 * kVocabulary + 20, 3 * kVocabulary, -1, 5 * kVocabulary + 7});
    c.run.set(counts, std::vector<float>{1, 0, 1, 1, 0, 1});
    const int64_t row[] = {1, kTokens}, numbers[] = {1, kVocabulary * kTokens}, flat = kTokens;
    Tensor * logits = ql_mul_mat(&c.g, head, x);
    if (cap > 0) logits = ql_soft_cap(&c.g, logits, cap);
    Tensor * lse = ql_unary(&c.g, ql_sum_rows(&c.g, ql_unary(&c.g, logits, QL_UNARY_EXP)), QL_UNARY_LOG);
    Tensor * picked = ql_gather_rows(&c.g, ql_reshape(&c.g, logits, 2, numbers), places);
    Tensor * nll = ql_mul(&c.g, minus(c, lse, picked), counts);
    Tensor * loss = ql_mul(&c.g, nll, ql_reshape(&c.g, weight, 2, row));
    c.expect_same(ql_head_loss_rows(&c.g, x, w, targets, weight, rows, ql_mul_mat(&c.g, own, x), cap, nullptr),
                  ql_sum_rows(&c.g, ql_reshape(&c.g, loss, 1, &flat)));
}
TEST_P(Composition, HeadLossWithRowsOfItsOwnIsThatOfAnotherHead) {
    expect_loss_of_another_head(GetParam(), 0);
}
TEST_P(Composition, HeadLossWithRowsOfItsOwnIsCapped) {
    expect_loss_of_another_head(GetParam(), 0.5f);
}

/// Experts that see only their own tokens give the same as experts that see all tokens, weighted with gates that are
/// mostly zero.
TEST_P(Composition, GatheredExpertsAreDenseExpertsWithGates) {
    constexpr int64_t n = 5, m = 3, kTokens = 6, kExperts = 2;
    Composed c(GetParam());
    Tensor *x = c.param({n, kTokens}), *dense = nullptr, *sparse = nullptr;
    const std::vector<int32_t> of_expert[kExperts] = {{0, 3, 4, -1}, {1, 2, 5, 3}};
    for (const std::vector<int32_t> & chosen : of_expert) {
        Tensor *w = c.param({n, m}), *ids = c.integers({4}), *gate = c.input({1, kTokens});
        std::vector<float> gates(kTokens, 0.0f);
        for (const int32_t t : chosen)
            if (t >= 0) gates[static_cast<size_t>(t)] = 0.25f + 0.1f * static_cast<float>(t);
        c.run.set(ids, chosen);
        c.run.set(gate, gates);
        Tensor * seen = ql_mul_mat(&c.g, w, ql_gather_rows(&c.g, x, ids));
        Tensor * scaled = ql_mul(&c.g, seen, ql_gather_rows(&c.g, gate, ids));
        Tensor * placed = ql_scatter_add_rows(&c.g, scaled, ids, kTokens);
        Tensor * gated = ql_mul(&c.g, ql_mul_mat(&c.g, w, x), gate);
        dense = dense ? ql_add(&c.g, dense, gated) : gated;
        sparse = sparse ? ql_add(&c.g, sparse, placed) : placed;
    }
    c.expect_same(sparse, dense);
}

/// The k largest, taken out one by one: the largest, then the largest of the rest.
TEST_P(Composition, TopKIsTheRowsElementsByTheirPositions) {
    Composed c(GetParam());
    Tensor *x = c.param({7, 3}), *ids = nullptr;
    Tensor * values = ql_top_k(&c.g, x, 4, &ids);
    const int64_t numbers[] = {1, 21}, shape[] = {4, 3};
    const auto row = case_floats({Shape(7, 3)}, c.seed_of(x));
    std::vector<int32_t> places;
    for (int32_t r = 0; r < 3; ++r) {
        std::vector<int32_t> order(7);
        for (int32_t i = 0; i < 7; ++i) order[static_cast<size_t>(i)] = r * 7 + i;
        std::sort(order.begin(), order.end(),
                  [&](int32_t a, int32_t b) { return row[static_cast<size_t>(a)] > row[static_cast<size_t>(b)]; });
        places.insert(places.end(), order.begin(), order.begin() + 4);
    }
    Tensor * known = c.integers({12});
    c.run.set(known, places);
    c.expect_same(values, ql_reshape(&c.g, ql_gather_rows(&c.g, ql_reshape(&c.g, x, 2, numbers), known), 2, shape));
}

INSTANTIATE_TEST_SUITE_P(Compute, Composition, testing::Values(QL_COMPUTE_F32, QL_COMPUTE_AUTO),
                         [](const auto & info) { return info.param == QL_COMPUTE_F32 ? "f32" : "auto"; });

}  // namespace
}  // namespace ql::test
