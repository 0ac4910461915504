// What is copied between devices, and which weights are where.
#include "plan/passes.hpp"

namespace ql::test {
namespace {

class Copies : public Passes {
  protected:
    Copies() { devices = {&device, &second}; }
    Tensor * input() { return leaf(TensorKind::input, {32, 9}); }
    Tensor * weight() {
        const int64_t ne[] = {32, 9};
        return g.leaf(TensorKind::weight, "w", QL_F32, 2, ne, bytes_);
    }
    void copy(const std::vector<Tensor *> & outputs) {
        apply(outputs, {reach, place, copy_between_devices, choose_kernels});
    }

  private:
    float bytes_[32 * 9] = {};
};

TEST_F(Copies, OneServesAllReaders) {
    Tensor *x = input(), *a = ql_add(&g, x, x);
    g.set_place(1);
    Tensor * y = ql_add(&g, ql_swiglu(&g, a, a), a);
    copy({y});
    EXPECT_EQ(count(), (Ops{{"add", 2}, {"swiglu", 1}, {"copy", 2}}));
}

TEST_F(Copies, WhatIsChangedInPlaceIsCopiedAnew) {
    Tensor *state = leaf(TensorKind::state, {32, 9}), *a = ql_add(&g, state, input());
    g.set_place(1);
    Tensor * before = ql_add(&g, state, input());
    g.set_place(0);
    Tensor * changed = ql_accumulate(&g, state, a);
    g.set_place(1);
    Tensor * after = ql_swiglu(&g, state, before);
    copy({changed, after});
    EXPECT_EQ(count(), (Ops{{"add", 2}, {"accumulate", 1}, {"swiglu", 1}, {"copy", 4}}));
    EXPECT_TRUE(is_copy(*list.nodes[5]) && is_copy(*list.nodes[6])) << "after the change, before its reader";
}

TEST_F(Copies, BetweenTwoMemoriesOneGoesThroughTheHost) {
    Tensor *x = input(), *a = ql_add(&g, x, x);
    g.set_place(1);
    copy({ql_swiglu(&g, a, a)});
    const PlanNode &down = *list.nodes[1], &up = *list.nodes[2];
    EXPECT_EQ(down.device, &device);
    EXPECT_TRUE(down.result(0)->staged);
    EXPECT_EQ(up.device, &second);
    EXPECT_EQ(up.source(0), down.result(0));
    EXPECT_FALSE(up.result(0)->staged);
}

TEST_F(Copies, WhatTheHostReadsOrWroteIsCopiedOnce) {
    second.caps.host_memory = true;
    Tensor *x = input(), *a = ql_add(&g, x, x);
    g.set_place(1);
    Tensor * b = ql_swiglu(&g, a, a);
    g.set_place(0);
    copy({ql_add(&g, b, b)});
    EXPECT_EQ(count(), (Ops{{"add", 2}, {"swiglu", 1}, {"copy", 2}}));
    EXPECT_TRUE(list.nodes[2]->source(0)->staged) << "it reads what has come from the device where that lies";
    EXPECT_EQ(list.nodes[3]->device, &device) << "which fetches what the host wrote";
}

TEST_F(Copies, TwoThatReadHostMemoryNeedNone) {
    device.caps.host_memory = second.caps.host_memory = true;
    Tensor *x = input(), *a = ql_add(&g, x, x);
    g.set_place(1);
    copy({ql_swiglu(&g, a, a)});
    EXPECT_EQ(count(), (Ops{{"add", 1}, {"swiglu", 1}}));
}

TEST_F(Copies, AWeightIsOnEveryDeviceThatReadsItOnce) {
    Tensor *w = weight(), *a = ql_add(&g, ql_add(&g, input(), w), w);
    g.set_place(1);
    Tensor * b = ql_add(&g, ql_add(&g, input(), w), w);
    copy({a, b});
    EXPECT_EQ(count(), (Ops{{"add", 4}}));
    std::map<const Device *, int> weights;
    for (const Value * v : list.leaves()) weights[v->device] += v->tensor == w;
    EXPECT_EQ(weights, (std::map<const Device *, int>{{&device, 1}, {&second, 1}}));
}

TEST_F(Copies, AViewOfAWeightIsOfTheOneOnItsDevice) {
    const int64_t ne[] = {16, 18}, back[] = {32, 9};
    Tensor *w = weight(), *a = ql_add(&g, input(), w);
    g.set_place(1);
    Tensor * b = ql_add(&g, input(), ql_reshape(&g, ql_reshape(&g, w, 2, ne), 2, back));
    copy({a, b});
    EXPECT_EQ(root_of(list.nodes.back()->src[1])->device, &second);
}

TEST_F(Copies, AWeightThatIsAnOutputIsOnTheFirstDevice) {
    copy({weight()});
    EXPECT_EQ(list.outputs[0].value->device, &device);
}

}  // namespace
}  // namespace ql::test
