// A run waits for its devices, and for those of another backend before it uses what they made.
#include "ggml/plan/plan.hpp"

#include <gtest/gtest.h>

#include "plan/counting_device.hpp"
#include "ql/ql.h"

namespace ql::test {
namespace {

class Schedules : public testing::Test {
  protected:
    Schedules() {
        near.backend = &host_;
        near.caps.host_memory = true;
        near.impl = &near_counts;
        far.backend = other.backend = &backend_;
        far.caps.copy_queue = other.caps.copy_queue = true;
        far.impl = &far_counts;
        other.impl = &other_counts;
    }
    /// x + x on the first device, and the sum of that with itself on the second.
    std::unique_ptr<Plan> two_sums(std::vector<Device *> devices) {
        const int64_t n = 4;
        Tensor *x = g.leaf(TensorKind::input, "x", QL_F32, 1, &n, nullptr), *a = ql_add(&g, x, x);
        g.set_place(1);
        Tensor * b = ql_add(&g, a, a);
        auto plan = Plan::create(g, devices, {&b, 1});
        EXPECT_TRUE(plan.ok()) << plan.status().message();
        return plan.ok() ? std::move(plan).value() : nullptr;
    }

    Counting near_counts, far_counts, other_counts;
    Device near, far, other;
    Graph g;

  private:
    Backend host_ = counting_backend(), backend_ = counting_backend();
};

TEST_F(Schedules, ARunEndsWhenItsDevicesAreDone) {
    const auto plan = two_sums({&far});
    ASSERT_NE(plan, nullptr);
    ASSERT_TRUE(plan->run().ok());
    EXPECT_EQ(far_counts.runs, 1);
    EXPECT_EQ(far_counts.waits, 2) << "for both queues";
}

TEST_F(Schedules, TheHostWaitsForWhatItReads) {
    const auto plan = two_sums({&far, &near});
    ASSERT_NE(plan, nullptr);
    ASSERT_TRUE(plan->run().ok());
    EXPECT_EQ(far_counts.runs, 1);
    EXPECT_EQ(near_counts.runs, 1);
    EXPECT_EQ(far_counts.waits, 3) << "before the host's kernel, and at the end";
}

TEST_F(Schedules, ADeviceWaitsByItselfForAnotherOfItsBackend) {
    const auto plan = two_sums({&far, &other});
    ASSERT_NE(plan, nullptr);
    ASSERT_TRUE(plan->run().ok());
    EXPECT_EQ(other_counts.holds, 1);
    EXPECT_EQ(far_counts.waits, 2) << "the host does not wait before the end";
}

TEST_F(Schedules, CopiesRunOnTheQueueForThem) {
    const auto plan = two_sums({&far, &near});
    ASSERT_NE(plan, nullptr);
    ASSERT_EQ(plan->steps().size(), 3u);
    EXPECT_EQ(plan->steps()[1].queue, Queue::copy);
    EXPECT_EQ(plan->steps()[1].after, std::vector<size_t>{0});
    EXPECT_EQ(plan->steps()[2].queue, Queue::compute);
}

TEST_F(Schedules, ACopyDoesNotWriteOverTheScratchOfARunningKernel) {
    static Kernel row = {[](const Launch &) { return Status(); }};
    row.scratch = [](const Node & n, const DeviceImpl &) { return n.out[0]->bytes(); };
    const std::vector<const Kernel *> rows(kOpCount, &row);
    Backend scratching = *far.backend;
    scratching.kernels = rows.data();
    far.backend = &scratching;
    const int64_t n = 4;
    Tensor *x = g.leaf(TensorKind::input, "x", QL_F32, 1, &n, nullptr), *a = ql_add(&g, x, x);
    g.set_place(1);
    Tensor *y = g.leaf(TensorKind::input, "y", QL_F32, 1, &n, nullptr), *b = ql_add(&g, y, y);
    Tensor * c = ql_mul(&g, b, a);
    Device * const devices[] = {&near, &far};
    const auto plan = Plan::create(g, devices, {&c, 1});
    ASSERT_TRUE(plan.ok()) << plan.message();
    const auto steps = (*plan)->steps();
    ASSERT_EQ(steps.size(), 4u);
    ASSERT_EQ(steps[2].out[0], steps[1].scratch) << "b is there, and the scratch for it was in the way";
    EXPECT_EQ(steps[2].after, std::vector<size_t>{0});
}

TEST_F(Schedules, AnErrorThatComesLateIsTheRuns) {
    const auto plan = two_sums({&far});
    ASSERT_NE(plan, nullptr);
    far_counts.broken = "a cable fell out";
    EXPECT_EQ(plan->run().message(), "a cable fell out");
}

TEST_F(Schedules, NothingIsComputedFromWhatDidNotCome) {
    const auto plan = two_sums({&far, &near});
    ASSERT_NE(plan, nullptr);
    far_counts.broken = "a cable fell out";
    EXPECT_EQ(plan->run().message(), "a cable fell out");
    EXPECT_EQ(near_counts.runs, 0);
}

}  // namespace
}  // namespace ql::test
