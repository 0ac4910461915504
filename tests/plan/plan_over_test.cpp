// Plans that run in turn share an arena.
#include <gtest/gtest.h>

#include <string>
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
        EXPECT_EQ(QL_OK, ql_plan_read(p, output, v.data(), 0, v.size() * sizeof(float)));
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
    EXPECT_EQ(describe(second).shared_bytes + ql_tensor_bytes(small), describe(second).arena_bytes)
        << "the output is its own";
    EXPECT_LT(describe(second).arena_bytes, describe(first).arena_bytes);
    const std::vector<float> alone = run(first, large);
    EXPECT_EQ(run(second, small), std::vector<float>(kWidth * kRows, 4.0f));
    EXPECT_EQ(run(first, large), alone);
}

TEST_F(PlanOver, ARunOfOneLeavesTheOutputsOfTheOther) {
    ql_plan *first = make(large, nullptr), *second = make(large, first), *third = make(small, first);
    const std::vector<float> twos = run(first, large);
    std::vector<float> fours(twos.size(), 4.0f), kept(twos.size());
    ASSERT_EQ(QL_OK, ql_tensor_write(x, fours.data(), 0, fours.size() * sizeof(float)));
    ASSERT_EQ(QL_OK, ql_plan_run(second));
    ASSERT_EQ(QL_OK, ql_plan_run(third));
    ASSERT_EQ(QL_OK, ql_plan_read(first, large, kept.data(), 0, kept.size() * sizeof(float)));
    EXPECT_EQ(kept, twos) << "the same tensor is an output of another plan that ran later";
    ASSERT_EQ(QL_OK, ql_plan_read(second, large, kept.data(), 0, kept.size() * sizeof(float)));
    EXPECT_NE(kept, twos);
}

TEST_F(PlanOver, MemoryOfPlansTogetherCountsWhatTheyShareOnce) {
    const ql_plan *first = make(large, nullptr), *second = make(small, first), *both[] = {first, second};
    const auto memory = [](const ql_plan * const * plans, int n) {
        ql_memory_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plans_memory(plans, n, nullptr, &info)) << ql_error_message();
        return info;
    };
    const ql_memory_info alone = memory(&first, 1), together = memory(both, 2);
    EXPECT_EQ(alone.inputs, ql_tensor_bytes(x));
    EXPECT_EQ(alone.weights + alone.params + alone.states, 0u);
    EXPECT_EQ(alone.results, describe(first).arena_bytes);
    EXPECT_EQ(alone.total, alone.inputs + alone.results);
    EXPECT_EQ(together.inputs, alone.inputs);
    EXPECT_EQ(together.results, alone.results + ql_tensor_bytes(small)) << "the second's own output";
    EXPECT_EQ(together.total, together.inputs + together.results);
}

TEST_F(PlanOver, OnlyOutputsAreRead) {
    ql_plan * p = make(large, nullptr);
    float v = 0;
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_read(p, small, &v, 0, sizeof v)) << "it is no output of this plan";
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_read(p, large, &v, ql_tensor_bytes(large), sizeof v));
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_tensor_read(large, &v, 0, sizeof v));
    EXPECT_NE(std::string(ql_error_message()).find("ql_plan_read"), std::string::npos) << ql_error_message();
}

TEST_F(PlanOver, TheLargerGetsAnArenaOfItsOwn) {
    ql_tensor *row = ql_input(g, "row", QL_F32, 1, &kWidth), *tiny = ql_swiglu(g, row, ql_add(g, row, row));
    ql_plan *first = make(tiny, nullptr), *second = make(large, first);
    EXPECT_GT(describe(first).arena_bytes, ql_tensor_bytes(tiny)) << "there is an arena, but it is too small";
    EXPECT_EQ(describe(second).shared_bytes, 0u);
    const std::vector<float> alone = run(second, large);
    EXPECT_EQ(QL_OK, ql_plan_run(first));
    EXPECT_EQ(run(second, large), alone);
}

}  // namespace
}  // namespace ql::test
