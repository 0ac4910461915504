// Each rule of fusion: what it rewrites, what it leaves alone, and that the results stay the same.
#include "plan/fusion.hpp"

namespace ql::test {
namespace {

TEST_F(Fusion, ALinearWithItsBranchAndTheResidualIsOneProduct) {
    Tensor *x = stream(), *r = stream();
    Tensor * y = ql_add(&g, r, with_lora(linear(x, kWidth), x));
    fuse({y});
    EXPECT_EQ(count(), (Ops{{"mul_mat", 1}, {"mul_mat_sum", 1}}));  // h = A x is kept: the backward pass reads it
    ASSERT_EQ(list.nodes.back()->src.size(), 5u);
    EXPECT_EQ(list.nodes.back()->src[0], value(r));
    expect_same_values();
}

TEST_F(Fusion, AMergedLinearAndTheResidualAreOneProduct) {
    Tensor *x = stream(), *r = stream();
    Tensor * y = ql_mul_mat_merged(&g, weight(kWidth, kWidth), x, weight(kWidth, kRank), weight(kRank, kWidth), 0.5f);
    fuse({ql_add(&g, r, y)});
    EXPECT_EQ(count(), (Ops{{"mul_mat_sum", 1}}));
    EXPECT_EQ(list.nodes.back()->src.size(), 3u);
    expect_same_values();
}

TEST_F(Fusion, WhatComesBackThroughSeveralLinearsIsOneProduct) {
    Tensor *dq = stream(), *dk = stream(kHidden), *dh = stream(kRank);
    const auto back = [&](Tensor * dy, int64_t k) { return ql_mul_mat_t(&g, weight(k, dy->ne(0)), dy); };
    Tensor * dx = ql_add(&g, ql_add(&g, back(dq, kWidth), back(dh, kWidth)), back(dk, kWidth));
    fuse({dx});
    EXPECT_EQ(count(), (Ops{{"mul_mat_sum", 1}}));
    expect_same_values();
}

TEST_F(Fusion, TwoAdaptersOnOneLinearAreTwoTerms) {
    Tensor * x = stream();
    Tensor * y = with_lora(with_lora(linear(x, kHidden), x), x);
    fuse({y});
    EXPECT_EQ(count(), (Ops{{"mul_mat", 2}, {"mul_mat_sum", 1}}));
    expect_same_values();
}

TEST_F(Fusion, ALinearWithBranchesByTokenTakesTheResidualIn) {
    Tensor *x = stream(), *r = stream(), *bias = filled(TensorKind::input, Shape(kWidth));
    Tensor * y = ql_add(&g, r, mixed(x, kWidth));
    Tensor * z = ql_add(&g, ql_add(&g, mixed(x, kWidth), y), mixed(x, kWidth));
    fuse({y, ql_add(&g, z, bias)});
    EXPECT_EQ(count(), (Ops{{"lora_mix", 3}, {"add", 1}}));
    EXPECT_EQ(list.nodes[0]->src.back(), value(r));
    expect_same_values();
}

TEST_F(Fusion, BranchesByTokenStayApartFromWhatIsReadTwiceOrHasARest) {
    Tensor *x = stream(), *twice = mixed(x, kWidth), *a = ql_add(&g, stream(), mixed(x, kWidth));
    fuse({ql_add(&g, ql_add(&g, stream(), twice), twice), ql_add(&g, a, ql_add(&g, linear(x, kWidth), stream()))});
    EXPECT_EQ(count(), (Ops{{"lora_mix", 2}, {"add", 3}, {"mul_mat_sum", 1}}));
    expect_same_values();
}

TEST_F(Fusion, NoMixMovesPastAChangeOfItsOperand) {
    Tensor *cache = filled(TensorKind::state, {kWidth, kTokens}), *rows = ids({6, 5, 4, 3, 2, 1, 0});
    Tensor * before = mixed(cache, kWidth);
    Tensor * stored = ql_kv_store(&g, cache, stream(), rows);
    fuse({ql_add(&g, stored, before)});
    EXPECT_EQ(count(), (Ops{{"lora_mix", 1}, {"kv_store", 1}, {"add", 1}}));
}

TEST_F(Fusion, AnIntermediateThatIsReadTwiceOrWantedStays) {
    Tensor *x = stream(), *wanted = linear(x, kWidth), *twice = linear(x, kWidth);
    Tensor * y = ql_add(&g, ql_add(&g, stream(), wanted), ql_swiglu(&g, twice, ql_add(&g, twice, stream())));
    fuse({y, wanted});
    EXPECT_EQ(count(), (Ops{{"mul_mat", 2}, {"add", 3}, {"swiglu", 1}}));
    expect_same_values();
}

TEST_F(Fusion, NoProductMovesPastAChangeOfItsOperand) {
    Tensor *cache = filled(TensorKind::state, {kWidth, kTokens}), *rows = ids({6, 5, 4, 3, 2, 1, 0});
    Tensor * before = linear(cache, kWidth);
    Tensor * stored = ql_kv_store(&g, cache, stream(), rows);
    Tensor * y = ql_add(&g, stored, before);
    fuse({y});
    EXPECT_EQ(count(), (Ops{{"mul_mat", 1}, {"kv_store", 1}, {"add", 1}}));
}

TEST_F(Fusion, NoSumMovesPastAChangeOfWhatItAddsTo) {
    Tensor *cache = filled(TensorKind::state, {kWidth, kTokens}), *rows = ids({6, 5, 4, 3, 2, 1, 0});
    Tensor * before = ql_add(&g, cache, linear(stream(), kWidth));
    Tensor * stored = ql_kv_store(&g, cache, stream(), rows);
    Tensor * y = ql_add(&g, before, linear(stream(), kWidth));
    fuse({stored, y});
    EXPECT_EQ(count(), (Ops{{"mul_mat_sum", 2}, {"kv_store", 1}}));
}

TEST_F(Fusion, TwoSumsThatAddToSomethingStayTwo) {
    Tensor *a = ql_add(&g, stream(), linear(stream(), kWidth)), *b = ql_add(&g, stream(), linear(stream(), kWidth));
    fuse({ql_add(&g, a, b)});
    EXPECT_EQ(count(), (Ops{{"mul_mat_sum", 2}, {"add", 1}}));
    expect_same_values();
}

TEST_F(Fusion, ASumThatRepeatsItsRowsIsNone) {
    Tensor * y = ql_add(&g, linear(stream(), kWidth), filled(TensorKind::input, Shape(kWidth)));
    fuse({y});
    EXPECT_EQ(count(), (Ops{{"mul_mat", 1}, {"add", 1}}));
    expect_same_values();
}

TEST_F(Fusion, NoProductMovesToAnotherDevice) {
    devices = {&device, &second};
    Tensor * product = linear(stream(), kWidth);
    g.set_place(1);
    fuse({ql_add(&g, stream(), product)});
    EXPECT_EQ(count(), (Ops{{"mul_mat", 1}, {"add", 1}}));
}

TEST_F(Fusion, ASumOfMoreThanEightProductsIsSeveral) {
    Tensor * y = linear(stream(), kWidth);
    for (int i = 0; i < 9; ++i) y = ql_add(&g, y, linear(stream(), kWidth));
    fuse({y});
    EXPECT_EQ(count(), (Ops{{"mul_mat_sum", 2}}));
    expect_same_values();
}

/// A loss and what it is made of; the gradient of x.
class LossFusion : public Fusion {
  protected:
    Tensor *x = filled(TensorKind::param, {kWidth, kTokens}), *targets = ids({1, 2, -1, 3, 10, 0, 4}),
           *weights = filled(TensorKind::state, Shape(kTokens)), *nll = nullptr, *dx = nullptr;
    Tensor * loss = ql_head_loss(&g, x, weight(kWidth, 11), targets, weights, &nll);

    void make_gradient() { ASSERT_EQ(QL_OK, ql_gradients(&g, loss, &x, 1, QL_RECOMPUTE_NONE, &dx)); }
};

TEST_F(LossFusion, TheLossBesideItsGradientIsComputedOnce) {
    make_gradient();
    fuse({loss, nll, dx});
    EXPECT_EQ(count(), (Ops{{"head_loss_back", 1}}));
    EXPECT_EQ(list.outputs[0].value, list.nodes[0]->out[1]);
    EXPECT_EQ(list.outputs[1].value, list.nodes[0]->out[2]);
    expect_same_values();
}

TEST_F(LossFusion, WhatReadsTheLossComesAfterIt) {
    Tensor * twice = ql_add(&g, loss, loss);
    make_gradient();
    fuse({twice, dx});
    EXPECT_EQ(count(), (Ops{{"head_loss_back", 1}, {"add", 1}}));
    expect_same_values();
}

TEST_F(LossFusion, AViewOfTheLossIsOfTheOneThatIsKept) {
    const int64_t ne[] = {1, 1};
    Tensor * view = ql_reshape(&g, loss, 2, ne);
    make_gradient();
    fuse({view, dx});
    EXPECT_EQ(count(), (Ops{{"head_loss_back", 1}, {"reshape", 1}}));
    expect_same_values();
}

TEST_F(LossFusion, NotWithTheLossOfOtherTargets) {
    Tensor * first = loss;
    loss = ql_head_loss(&g, x, weight(kWidth, 11), ids({3, 3, 3, 3, 3, 3, 3}), weights, nullptr);
    make_gradient();
    fuse({first, loss, dx});
    EXPECT_EQ(count(), (Ops{{"head_loss", 1}, {"head_loss_back", 1}}));
    expect_same_values();
}

TEST_F(LossFusion, WithRowsOfItsOwnTheLossIsThatOfTheSameRows) {
    Tensor *own = filled(TensorKind::param, {2, kTokens}), *other = filled(TensorKind::param, {2, kTokens});
    Tensor *rows = ids({1, 10}), *head = weight(kWidth, 11);
    const auto loss_of = [&](Tensor * logits) {
        return ql_head_loss_rows(&g, x, head, targets, weights, rows, logits, 0, nullptr);
    };
    Tensor *plain = ql_head_loss(&g, x, head, targets, weights, nullptr), *first = loss_of(other);
    loss = loss_of(own);
    Tensor * down = nullptr;
    ASSERT_EQ(QL_OK, ql_gradients(&g, loss, &own, 1, QL_RECOMPUTE_NONE, &down));
    fuse({plain, first, loss, down});
    EXPECT_EQ(count(), (Ops{{"head_loss", 2}, {"head_loss_back", 1}}));
    expect_same_values();
}

TEST_F(LossFusion, NotWhereTheGradientDependsOnTheLoss) {
    loss = ql_mul(&g, loss, loss);
    make_gradient();
    fuse({loss, dx});
    EXPECT_EQ(count().at("head_loss"), 1);
    EXPECT_EQ(count().at("head_loss_back"), 1);
    expect_same_values();
}

TEST_F(LossFusion, NotWhereASourceChangesBetweenTheTwo) {
    Tensor * changed = ql_zero(&g, weights);
    make_gradient();
    fuse({loss, changed, dx});
    EXPECT_EQ(count(), (Ops{{"head_loss", 1}, {"zero", 1}, {"head_loss_back", 1}}));
}

TEST(PlanPasses, HaveDistinctNames) {
    std::map<std::string, int> names;
    for (const Pass & p : passes()) EXPECT_EQ(1, ++names[p.name]);
}

}  // namespace
}  // namespace ql::test
