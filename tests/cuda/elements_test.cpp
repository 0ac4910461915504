// How the kernels of single elements find their numbers.
#include "backends/cuda/ops/elements.cuh"

#include <gtest/gtest.h>

namespace ql::cuda {
namespace {

TEST(ElementSteps, CountPastTwoToThe31) {
    const Steps steps = repeating_steps(Shape(65536, 1, 65537, 3));
    EXPECT_EQ(steps.of[0], 1);
    EXPECT_EQ(steps.of[1], 0) << "repeated";
    EXPECT_EQ(steps.of[2], 65536);
    EXPECT_EQ(steps.of[3], int64_t{65536} * 65537);
}

}  // namespace
}  // namespace ql::cuda
