// What a plan says that it computes: the nodes' figures follow one rule, and add up to the plan's.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "ql/ql.h"

namespace ql::test {
namespace {

class Flops : public testing::Test {
  protected:
    Flops() {
        EXPECT_EQ(QL_OK, ql_graph_create(&g));
        EXPECT_EQ(QL_OK, ql_device_open(nullptr, &device));
    }
    ~Flops() override {
        ql_plan_free(plan);
        ql_graph_free(g);
        ql_device_close(device);
    }
    ql_tensor * input(int64_t n, int64_t rows) {
        const int64_t ne[] = {n, rows};
        return ql_input(g, "x", QL_F32, 2, ne);
    }
    void make(ql_tensor * output) {
        ASSERT_EQ(QL_OK, ql_plan_create(g, device, &output, 1, &plan)) << ql_error_message();
    }
    std::map<std::string, double> by_node() const {
        std::map<std::string, double> flops;
        ql_plan_node_info info{sizeof(info)};
        for (int64_t i = 0; ql_plan_node(plan, i, &info) == QL_OK; ++i) flops[info.op] += info.flops;
        return flops;
    }
    double of_plan() const {
        ql_plan_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plan_describe(plan, &info));
        return info.flops;
    }

    ql_graph * g = nullptr;
    ql_device * device = nullptr;
    ql_plan * plan = nullptr;
};

TEST_F(Flops, OfNodesAddUpToThoseOfThePlan) {
    ql_tensor * x = input(33, 5);
    ql_tensor * y = ql_mul_mat(g, input(33, 7), ql_scale(g, ql_add(g, x, x), 2, 1));
    make(ql_add(g, y, ql_slice(g, ql_swiglu(g, x, x), 0, 0, 7)));
    double sum = 0;
    for (const auto & [op, flops] : by_node()) sum += flops;
    EXPECT_EQ(sum, of_plan());
}

TEST_F(Flops, AreOneAnElementWhereTheOperatorCountsNone) {
    ql_tensor * x = input(33, 5);
    make(ql_scale(g, ql_mul(g, x, ql_add(g, x, x)), 2, 1));
    EXPECT_EQ(by_node(), (std::map<std::string, double>{{"add", 165}, {"mul", 165}, {"scale", 165}}));
    EXPECT_EQ(of_plan(), 3 * 165);
}

TEST_F(Flops, AreNoneWhereValuesAreMovedOrSetAlone) {
    const int64_t n = 40, shape[] = {8, 5};
    ql_tensor * state = ql_state(g, "state", QL_F32, 1, &n);
    make(ql_slice(g, ql_reshape(g, ql_zero(g, state), 2, shape), 0, 1, 3));
    EXPECT_EQ(by_node(), (std::map<std::string, double>{{"zero", 0}, {"reshape", 0}, {"slice", 0}}));
    EXPECT_EQ(of_plan(), 0);
}

}  // namespace
}  // namespace ql::test
