// Which device a node runs on: that of its place, unless the node is bound to bytes that are elsewhere.
#include <algorithm>

#include "plan/passes.hpp"

namespace ql::test {
namespace {

class Placing : public Passes {
  protected:
    Status placed(const std::vector<Tensor *> & outputs) {
        const PassInput input = {outputs, devices};
        const Status status = reach(list, input);
        return status.ok() ? place(list, input) : status;
    }
};

class Places : public Placing {
  protected:
    Places() { devices = {&device, &second}; }
    Tensor * input() { return leaf(TensorKind::input, {32, 9}); }
    Tensor * state() { return leaf(TensorKind::state, {32, 9}); }
};

TEST_F(Places, AViewIsWhereItsBytesAre) {
    const int64_t flat[] = {32 * 9};
    Tensor *x = input(), *a = ql_add(&g, x, x);
    g.set_place(1);
    Tensor *view = ql_reshape(&g, a, 1, flat), *b = ql_add(&g, input(), input());
    ASSERT_TRUE(placed({view, b}).ok());
    EXPECT_EQ(list.nodes[1]->device, &device);
    EXPECT_STREQ(list.nodes[1]->moved, "it is a view of what is there");
    EXPECT_EQ(list.nodes[2]->device, &second);
}

TEST_F(Places, AChangeRunsWhereTheStateIsAndSaysSo) {
    Tensor *s = state(), *a = ql_add(&g, s, s);
    g.set_place(1);
    Tensor *x = input(), *sum = ql_accumulate(&g, s, ql_add(&g, x, x));
    ASSERT_TRUE(placed({a, sum}).ok());
    EXPECT_EQ(list.nodes[1]->device, &second);
    EXPECT_STREQ(list.nodes[1]->moved, "");
    EXPECT_EQ(list.nodes[2]->device, &device);
    EXPECT_STREQ(list.nodes[2]->moved, "it changes what is there");
}

TEST_F(Places, AChangeOfWhatIsOnTwoDevicesIsRefused) {
    Tensor *param = leaf(TensorKind::param, {32, 9}), *m = state(), *v = state(), *dx = input();
    Tensor *one = leaf(TensorKind::input, 1), *a = ql_add(&g, param, param);
    g.set_place(1);
    Tensor * b = ql_add(&g, m, v);
    Tensor * step = ql_adamw(&g, param, dx, m, v, one, leaf(TensorKind::input, QL_HYPER_N), 1);
    ASSERT_TRUE(g.status().ok()) << g.status().message();
    const Status status = placed({a, b, step});
    EXPECT_EQ(status.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(status.message().find("another device"), std::string::npos) << status.message();
}

/// The device has no kernel for accumulate; the CPU beside it has them all.
class PlacesWithFallback : public Placing {
  protected:
    PlacesWithFallback() {
        std::copy_n(table, kOpCount, full_);
        cpu_.kernels = full_;
        second.backend = &cpu_;
        device.fallback = &second;
        table[op_index(&op::accumulate)] = &none_;
    }
    Tensor *s = leaf(TensorKind::state, {32, 9}), *x = leaf(TensorKind::input, {32, 9});

  private:
    Kernel none_ = missing("a test");
    const Kernel * full_[kOpCount];
    Backend cpu_{"test cpu"};
};

TEST_F(PlacesWithFallback, AStateThatIsChangedThereFirstLivesThere) {
    ASSERT_TRUE(placed({ql_accumulate(&g, s, x)}).ok());
    EXPECT_EQ(list.nodes[0]->device, &second);
    EXPECT_STREQ(list.nodes[0]->moved, "its backend has no kernel");
    EXPECT_EQ(value(s)->device, &second);
}

TEST_F(PlacesWithFallback, AChangeOfAStateThatIsOnTheDeviceIsRefused) {
    Tensor * a = ql_add(&g, s, x);
    const Status status = placed({a, ql_accumulate(&g, s, x)});
    EXPECT_EQ(status.code(), QL_UNSUPPORTED);
}

}  // namespace
}  // namespace ql::test
