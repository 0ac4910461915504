// Who copies to or from a device, or uploads weights, waits for its turn: an error of another thread's plan stays that
// plan's.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "backends/opened_device.hpp"
#include "ggml/backend/device.hpp"

namespace ql::test {
namespace {

constexpr int64_t kSize[] = {16};

/// y = 2 x + w on "apart", whose next copy fails.
class Turn : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(opened.status, QL_OK);
        ASSERT_EQ(ql_graph_create(&graph), QL_OK);
        x = ql_input(graph, "x", QL_F32, 1, kSize);
        y = ql_scale(graph, x, 2, 0);
    }
    void TearDown() override {
        ql_plan_free(plan);
        ql_graph_free(graph);
    }
    void make_plan() { ASSERT_EQ(ql_plan_create(graph, opened.device, &y, 1, &plan), QL_OK) << ql_error_message(); }
    /// While a copy of this thread fails, another thread does something, and is told of its own success.
    void expect_no_others_error(const std::function<ql_status()> & something) {
        DeviceImpl & device = *opened.device->impl;
        std::thread other;
        {
            const Turns::Held turn(opened.device->turns);
            float to = 0;
            const float from = 1;
            ASSERT_TRUE(device.copy(Queue::copy, {&to, &from, sizeof(to), MemoryKind::host, MemoryKind::host}).ok());
            other = std::thread([&] { EXPECT_EQ(something(), QL_OK) << ql_error_message(); });
            std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it could take the error here
            EXPECT_EQ(device.finish(device.now(Queue::copy)).code(), QL_IO);
        }
        other.join();
    }

    const Injected faults{"copy=1,delay=100"};
    const OpenedDevice opened{"apart"};
    alignas(64) float values[16] = {};
    ql_graph * graph = nullptr;
    ql_tensor *x = nullptr, *y = nullptr;
    ql_plan * plan = nullptr;
};

TEST_F(Turn, AWriteWaitsForIt) {
    make_plan();
    expect_no_others_error([&] { return ql_tensor_write(x, values, 0, 64); });
}

TEST_F(Turn, AReadWaitsForIt) {
    make_plan();
    expect_no_others_error([&] { return ql_plan_read(plan, y, values, 0, 64); });
}

TEST_F(Turn, AnUploadOfWeightsWaitsForIt) {
    ql_tensor * w = ql_weight(graph, "w", QL_F32, 1, kSize, values);
    y = ql_add(graph, y, w);
    expect_no_others_error([&] { return ql_plan_create(graph, opened.device, &y, 1, &plan); });
}

}  // namespace
}  // namespace ql::test
