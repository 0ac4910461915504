// Plans that run in turn share an arena.
#include <gtest/gtest.h>

#include <vector>

#include "ql/ql.h"

namespace ql::test {
namespace {

class PlanOver : public testing::Test {
  protected:
    PlanOver() {
        EXPECT_EQ(QL_OK, ql_graph_create(&g));
        EXPECT_EQ(QL_OK, ql_device_open(nullptr, &device));
        const int64_t ne[] = {kWidth, kRows};
        x = ql_input(g, "x", QL_F32, 2, ne);
        small = ql_add(g, x, x);
        large = ql_add(g, ql_swiglu(g, ql_add(g, x, small), small), small);
    }
    ~PlanOver() {
        for (ql_plan * p : plans) ql_plan_free(p);
        ql_graph_free(g);
        ql_device_close(device);
    }
    ql_plan * make(ql_tensor * output, const ql_plan * over) {
        ql_plan * p = nullptr;
        EXPECT_EQ(QL_OK, ql_plan_create_over(g, device, &output, 1, over, &p)) << ql_error_message();
        plans.push_back(p);
        return p;
    }
    static ql_plan_info describe(const ql_plan * p) {
        ql_plan_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plan_describe(p, &info));
        return info;
    }
    std::vector<float> run(ql_plan * p, ql_tensor * output) {
        std::vector<float> v(kWidth * kRows, 2.0f);
        EXPECT_EQ(QL_OK, ql_tensor_write(x, v.data(), 0, v.size() * sizeof(float)));
        EXPECT_EQ(QL_OK, ql_plan_run(p));
        EXPECT_EQ(QL_OK, ql_tensor_read(output, v.data(), 0, v.size() * sizeof(float)));
        return v;
    }

    static constexpr int64_t kWidth = 32, kRows = 9;
    ql_graph * g = nullptr;
    ql_device * device = nullptr;
    ql_tensor *x = nullptr, *small = nullptr, *large = nullptr;
    std::vector<ql_plan *> plans;
};

TEST_F(PlanOver, TheSmallerLiesInTheLargersArena) {
    ql_plan *first = make(large, nullptr), *second = make(small, first);
    EXPECT_EQ(describe(first).shared_bytes, 0u);
    EXPECT_EQ(describe(second).shared_bytes, describe(second).arena_bytes);
    EXPECT_LT(describe(second).arena_bytes, describe(first).arena_bytes);
    const std::vector<float> alone = run(first, large);
    EXPECT_EQ(run(second, small), std::vector<float>(kWidth * kRows, 4.0f));
    EXPECT_EQ(run(first, large), alone);
}

TEST_F(PlanOver, TheLargerGetsAnArenaOfItsOwn) {
    ql_plan *first = make(small, nullptr), *second = make(large, first);
    EXPECT_EQ(describe(second).shared_bytes, 0u);
    const std::vector<float> alone = run(second, large);
    run(first, small);
    EXPECT_EQ(run(second, large), alone);
}

}  // namespace
}  // namespace ql::test
