// Plans of a few nodes over a device that is not the host: leaves that are outputs, leaves beside the device, stages
// without a copy between them, arenas of two devices.
#include <gtest/gtest.h>

#include <vector>

#include "backends/opened_device.hpp"

namespace ql::test {
namespace {

class SmallPlans : public testing::Test {
  protected:
    SmallPlans() { EXPECT_EQ(QL_OK, ql_graph_create(&g)); }
    ~SmallPlans() override {
        for (ql_plan * p : plans_) ql_plan_free(p);
        ql_graph_free(g);
    }
    ql_plan * make(ql_device * device, std::vector<ql_tensor *> outputs, const ql_plan * over = nullptr) {
        ql_plan * p = nullptr;
        EXPECT_EQ(QL_OK, ql_plan_create_on(g, &device, 1, outputs.data(), static_cast<int>(outputs.size()), over, &p))
            << ql_error_message();
        plans_.push_back(p);
        return p;
    }
    static void write(ql_tensor * t, float value) {
        const std::vector<float> v(static_cast<size_t>(ql_tensor_elements(t)), value);
        EXPECT_EQ(QL_OK, ql_tensor_write(t, v.data(), 0, v.size() * sizeof(float))) << ql_error_message();
    }
    static float first_of(const ql_plan * p, const ql_tensor * t) {
        float v = 0;
        EXPECT_EQ(QL_OK, ql_plan_read(p, t, &v, 0, sizeof v)) << ql_error_message();
        return v;
    }
    ql_tensor * input() {
        const int64_t ne[] = {64, 64};
        return ql_input(g, "x", QL_F32, 2, ne);
    }

    OpenedDevice apart{"apart"};  // outlives the graph's leaves
    OpenedDevice other{"apart:1"}, mixed{"cpu,apart"}, turned{"apart,cpu"};
    ql_graph * g = nullptr;

  private:
    std::vector<ql_plan *> plans_;
};

TEST_F(SmallPlans, ALeafMayBeAnOutput) {
    static const float frozen[2] = {5, 6};
    const int64_t two = 2;
    ql_tensor *x = input(), *w = ql_weight(g, "w", QL_F32, 1, &two, frozen);
    ql_plan * p = make(apart.device, {x, w});
    write(x, 3);
    EXPECT_EQ(QL_OK, ql_plan_run(p)) << ql_error_message();
    EXPECT_EQ(first_of(p, x), 3);
    EXPECT_EQ(first_of(p, w), 5);
}

TEST_F(SmallPlans, DevicesThatNeedNothingOfEachOtherRunTheirOwnNodes) {
    for (OpenedDevice * several : {&mixed, &turned}) {
        ql_tensor *x = input(), *y = input();
        EXPECT_EQ(QL_OK, ql_graph_set_place(g, 0));
        ql_tensor * a = ql_add(g, x, x);
        EXPECT_EQ(QL_OK, ql_graph_set_place(g, 1));
        ql_tensor * b = ql_add(g, y, y);
        ql_plan * p = make(several->device, {a, b});
        ASSERT_NE(p, nullptr);
        write(x, 2);
        write(y, 3);
        ASSERT_EQ(QL_OK, ql_plan_run(p)) << ql_error_message();
        EXPECT_EQ(first_of(p, a), 4);
        EXPECT_EQ(first_of(p, b), 6);
    }
}

TEST_F(SmallPlans, NoneLiesInTheArenaOfAnotherDevice) {
    const auto product = [&] { return ql_mul_mat(g, input(), ql_add(g, input(), input())); };
    const ql_plan * first = make(apart.device, {product()});
    ql_plan * second = make(other.device, {product()}, first);
    ASSERT_NE(second, nullptr);
    ql_plan_info info{sizeof(info)};
    EXPECT_EQ(QL_OK, ql_plan_describe(second, &info));
    EXPECT_EQ(info.shared_bytes, 0u);
    EXPECT_EQ(QL_OK, ql_plan_run(second)) << ql_error_message();
}

TEST(SmallPlansWithFallback, ALeafOfTheCpuBesideTheDeviceServesTheNextPlan) {
    const Injected without("without_rope=1");
    OpenedDevice opened("apart");
    ql_graph * g = nullptr;
    ASSERT_EQ(QL_OK, ql_graph_create(&g));
    const int64_t heads[] = {32, 1, 3}, angles[] = {32, 3};
    ql_tensor *x = ql_input(g, "x", QL_F32, 3, heads), *table = ql_input(g, "table", QL_F32, 2, angles);
    ql_tensor *turned = ql_rope(g, x, table, QL_ROPE_NEOX), *sum = ql_add(g, x, x);
    ql_plan *first = nullptr, *next = nullptr;
    EXPECT_EQ(QL_OK, ql_plan_create(g, opened.device, &turned, 1, &first)) << ql_error_message();
    EXPECT_EQ(QL_OK, ql_plan_create(g, opened.device, &sum, 1, &next)) << ql_error_message();
    EXPECT_EQ(QL_OK, ql_plan_run(next)) << ql_error_message();
    ql_plan_free(first);
    ql_plan_free(next);
    ql_graph_free(g);
}

}  // namespace
}  // namespace ql::test
