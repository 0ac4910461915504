// Plans that several threads run at once take turns on every device, and never wait for each other.
#include <gtest/gtest.h>

#include <cstdio>
#include <future>

#include "ggml/plan/plan.hpp"
#include "plan/counting_device.hpp"
#include "ql/ql.h"

namespace ql::test {
namespace {

class PlanTurns : public testing::Test {
  protected:
    PlanTurns() {
        first.backend = second.backend = &backend_;
        first.impl = &first_counts;
        second.impl = &second_counts;
    }

    /// Runs a plan over the devices many times, in a thread of its own.
    std::future<void> run_over(std::vector<Device *> devices) {
        return std::async(std::launch::async, [devices = std::move(devices)] {
            Graph g;
            std::vector<Tensor *> outputs;
            for (size_t i = 0; i < devices.size(); ++i) {
                const int64_t n = 4;
                g.set_place(static_cast<int>(i));
                Tensor * x = g.leaf(TensorKind::input, "x", QL_F32, 1, &n, nullptr);
                outputs.push_back(ql_add(&g, x, x));
            }
            Result<std::unique_ptr<Plan>> plan = Plan::create(g, devices, outputs);
            ASSERT_TRUE(plan.ok());
            for (int i = 0; i < kRuns; ++i) EXPECT_TRUE(plan.value()->run().ok());
        });
    }
    /// Threads that wait for each other cannot be joined. No run begins then; where the machine has much else to do, runs are
    /// few, but they go on.
    void expect_end(std::future<void> & run) const {
        for (int before = -1, now = runs(); now != before; before = now, now = runs())
            if (run.wait_for(std::chrono::seconds(30)) == std::future_status::ready) return;
        std::fputs("two plans wait for each other\n", stderr);
        std::_Exit(1);
    }

    int runs() const { return first_counts.runs + second_counts.runs; }

    static constexpr int kRuns = 200;
    Counting first_counts, second_counts;
    Device first, second;

  private:
    Backend backend_ = counting_backend();
};

TEST_F(PlanTurns, ADeviceRunsOnePlanAtATime) {
    std::future<void> one = run_over({&first}), another = run_over({&first});
    expect_end(one);
    expect_end(another);
    EXPECT_EQ(first_counts.overlaps, 0);
    EXPECT_EQ(first_counts.runs, 2 * kRuns);
}

TEST_F(PlanTurns, PlansOverTheSameDevicesInAnotherOrderBothEnd) {
    std::future<void> one = run_over({&first, &second}), another = run_over({&second, &first});
    expect_end(one);
    expect_end(another);
    EXPECT_EQ(first_counts.overlaps + second_counts.overlaps, 0);
    EXPECT_EQ(second_counts.runs, 2 * kRuns);
}

}  // namespace
}  // namespace ql::test
