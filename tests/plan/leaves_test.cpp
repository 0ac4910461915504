// Leaves get memory, and weights are uploaded, once for all plans.
#include "ggml/plan/leaves.hpp"

#include <gtest/gtest.h>

#include "ggml/graph/graph.hpp"
#include "plan/counting_device.hpp"

namespace ql::test {
namespace {

class Leaves : public testing::Test {
  protected:
    Leaves() {
        near.backend = far.backend = other.backend = &backend_;
        near.caps.host_memory = true;
        near.impl = &near_counts;
        far.impl = &far_counts;
        other.impl = &other_counts;
    }
    Value on(Tensor & t, Device & device) {
        Value v{t, &t};
        v.device = &device;
        return v;
    }
    static Status settle(const std::vector<const Value *> & leaves) { return settle_leaves(leaves); }
    Tensor & weight() {
        const int64_t n = 4;
        return *g.leaf(TensorKind::weight, "w", QL_F32, 1, &n, bytes);
    }

    const float bytes[4] = {1, 2, 3, 4};
    Counting near_counts, far_counts, other_counts;
    Device near, far, other;

  private:
    Backend backend_ = counting_backend();

  protected:
    Graph g;  // frees its leaves first
};

TEST_F(Leaves, AWeightIsUploadedOnceToADevice) {
    Tensor & w = weight();
    const Value here = on(w, far), there = on(w, other);
    for (int plan = 0; plan < 2; ++plan) ASSERT_TRUE(settle({&here, &there}).ok());
    EXPECT_EQ(far_counts.copies, 1);
    EXPECT_EQ(other_counts.copies, 1);
    EXPECT_NE(leaf_address(here), leaf_address(there));
    EXPECT_EQ(0, std::memcmp(leaf_address(there), bytes, sizeof bytes));
}

TEST_F(Leaves, UploadsAreWaitedForTogether) {
    const Value one = on(weight(), far), another = on(weight(), far);
    ASSERT_TRUE(settle({&one, &another}).ok());
    EXPECT_EQ(far_counts.copies, 2);
    EXPECT_EQ(far_counts.waits, 1);
}

TEST_F(Leaves, AnUploadThatFailedIsMadeAgain) {
    const Value v = on(weight(), far);
    far_counts.broken = "the bus is on fire";
    EXPECT_EQ(settle({&v}).message(), "the bus is on fire");
    far_counts.broken = nullptr;
    ASSERT_TRUE(settle({&v}).ok());
    EXPECT_EQ(far_counts.copies, 2);
}

TEST_F(Leaves, AWeightIsReadWhereItIsByADeviceThatReadsHostMemory) {
    const Value v = on(weight(), near);
    ASSERT_TRUE(settle({&v}).ok());
    EXPECT_EQ(near_counts.allocations, 0);
    EXPECT_EQ(leaf_address(v), bytes);
}

TEST_F(Leaves, AStateKeepsItsBytesForTheNextPlan) {
    const int64_t n = 4;
    const Value v = on(*g.leaf(TensorKind::state, "s", QL_F32, 1, &n, nullptr), far);
    ASSERT_TRUE(settle({&v}).ok());
    void * const first = leaf_address(v);
    ASSERT_TRUE(settle({&v}).ok());
    EXPECT_EQ(leaf_address(v), first);
    EXPECT_EQ(far_counts.allocations, 1);
}

}  // namespace
}  // namespace ql::test
