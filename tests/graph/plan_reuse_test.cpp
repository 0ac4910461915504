// A result may take the storage of a source that nobody reads later, unless its own step reads that source twice: the
// second reading would find what the step has written.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "ql/ql.h"

namespace ql::test {
namespace {

constexpr int64_t kWidth = 64, kTokens = 9;

class PlanReuse : public testing::Test {
  protected:
    PlanReuse() {
        ql_device_options options;
        ql_device_options_init(&options);
        options.compute = QL_COMPUTE_F32;
        EXPECT_EQ(QL_OK, ql_device_open(&options, &device));
        for (int64_t i = 0; i < kWidth * kTokens; ++i) {
            u_values[i] = static_cast<float>((i * 29) % 31 - 15) / 64;
            values.push_back(static_cast<float>((i * 37) % 41 - 20) / 16);
        }
    }
    ~PlanReuse() override { ql_device_close(device); }

    struct Outcome {
        std::vector<float> y;
        uint64_t arena_bytes = 0;
    };
    using Step = std::function<ql_tensor *(ql_graph *, ql_tensor * t)>;

    /// y = step(t) of a result t. If t is an output too, nothing else may use its storage.
    Outcome run(const Step & step, bool t_is_output) {
        ql_graph * g = nullptr;
        EXPECT_EQ(QL_OK, ql_graph_create(&g));
        const int64_t ne[] = {kWidth, kTokens};
        ql_tensor * x = ql_input(g, "x", QL_F32, 2, ne);
        ql_tensor * t = ql_add(g, x, x);
        ql_tensor * y = step(g, t);
        ql_tensor * outputs[] = {y, t};
        ql_plan * plan = nullptr;
        EXPECT_EQ(QL_OK, ql_plan_create(g, device, outputs, t_is_output ? 2 : 1, &plan)) << ql_error_message();
        Outcome out;
        out.y.resize(kWidth * kTokens);
        ql_plan_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plan_describe(plan, &info));
        out.arena_bytes = info.arena_bytes;
        EXPECT_EQ(QL_OK, ql_tensor_write(x, values.data(), 0, values.size() * sizeof(float)));
        EXPECT_EQ(QL_OK, ql_plan_run(plan));
        EXPECT_EQ(QL_OK, ql_plan_read(plan, y, out.y.data(), 0, out.y.size() * sizeof(float)));
        ql_plan_free(plan);
        ql_graph_free(g);
        return out;
    }

    ql_tensor * u(ql_graph * g) const {
        const int64_t ne[] = {kWidth, kTokens};
        return ql_weight(g, "u", QL_F32, 2, ne, u_values);
    }

    ql_device * device = nullptr;
    alignas(64) float u_values[kWidth * kTokens];
    std::vector<float> values;
};

TEST_F(PlanReuse, ASourceReadOnceGivesItsStorageToTheResult) {
    const Step sum = [this](ql_graph * g, ql_tensor * t) { return ql_add(g, t, u(g)); };
    const Outcome reused = run(sum, false), apart = run(sum, true);
    EXPECT_EQ(reused.y, apart.y);
    EXPECT_LT(reused.arena_bytes, apart.arena_bytes);
}

TEST_F(PlanReuse, AChainOfSumsTakesTheStorageOfOne) {
    const auto sums = [this](int n) -> Step {
        return [this, n](ql_graph * g, ql_tensor * t) {
            ql_tensor * more = u(g);
            for (int i = 0; i < n; ++i) t = ql_add(g, t, more);
            return t;
        };
    };
    EXPECT_EQ(run(sums(5), false).arena_bytes, run(sums(1), false).arena_bytes);
    EXPECT_EQ(run(sums(5), false).y, run(sums(5), true).y);
}

TEST_F(PlanReuse, ARotationWhoseTableIsItsSourceKeepsIt) {
    const Step rotation = [](ql_graph * g, ql_tensor * t) {
        const int64_t heads[] = {kWidth, 1, kTokens};
        return ql_rope(g, ql_reshape(g, t, 3, heads), t, QL_ROPE_NEOX);
    };
    EXPECT_EQ(run(rotation, false).y, run(rotation, true).y);
}

}  // namespace
}  // namespace ql::test
