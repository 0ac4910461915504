// One device under several threads, and one graph under several devices.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "ggml/backend/turns.hpp"
#include "ql/ql.h"

namespace ql::test {
namespace {

ql_device * open_device(int threads) {
    ql_device_options options;
    ql_device_options_init(&options);
    options.name = "cpu", options.threads = threads, options.compute = QL_COMPUTE_F32;
    ql_device * device = nullptr;
    EXPECT_EQ(ql_device_open(&options, &device), QL_OK) << ql_error_message();
    return device;
}

constexpr int64_t kIn = 96, kOut = 80, kTokens = 33;

/// y = W x with a graph and a plan of its own.
struct Product {
    ql_graph * graph = nullptr;
    ql_tensor *w = nullptr, *x = nullptr, *y = nullptr;
    ql_plan * plan = nullptr;
    std::vector<float> weights = std::vector<float>(kIn * kOut), values = std::vector<float>(kIn * kTokens);

    Product(ql_device * device, float factor) {
        for (size_t i = 0; i < weights.size(); ++i) weights[i] = factor * static_cast<float>(i % 17) - 8.0f;
        for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 13) - 6.0f;
        const int64_t ne_w[] = {kIn, kOut}, ne_x[] = {kIn, kTokens};
        EXPECT_EQ(ql_graph_create(&graph), QL_OK);
        w = ql_param(graph, "w", 2, ne_w);
        x = ql_input(graph, "x", QL_F32, 2, ne_x);
        y = ql_mul_mat(graph, w, x);
        EXPECT_EQ(ql_plan_create(graph, device, &y, 1, &plan), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_tensor_write(w, weights.data(), 0, weights.size() * sizeof(float)), QL_OK);
        EXPECT_EQ(ql_tensor_write(x, values.data(), 0, values.size() * sizeof(float)), QL_OK);
    }
    ~Product() {
        ql_plan_free(plan);
        ql_graph_free(graph);
    }
    std::vector<float> run() const {
        std::vector<float> result(kOut * kTokens);
        EXPECT_EQ(ql_plan_run(plan), QL_OK) << ql_error_message();
        EXPECT_EQ(ql_plan_read(plan, y, result.data(), 0, result.size() * sizeof(float)), QL_OK);
        return result;
    }
};

TEST(SharedDevice, ThreadsWithPlansOfTheirOwnGetTheSameResultsAsAlone) {
    ql_device * device = open_device(3);
    constexpr int kThreads = 4, kRuns = 200;
    std::vector<std::vector<float>> alone;
    for (int i = 0; i < kThreads; ++i) alone.push_back(Product(device, static_cast<float>(i + 1)).run());
    std::atomic<int> same{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            const Product product(device, static_cast<float>(i + 1));
            for (int run = 0; run < kRuns; ++run) same += product.run() == alone[static_cast<size_t>(i)];
        });
    for (std::thread & t : threads) t.join();
    EXPECT_EQ(same, kThreads * kRuns);
    ql_device_close(device);
}

TEST(SharedDevice, TurnsAreTakenInTheOrderOfTheCalls) {
    Turns turns;
    std::atomic<int> waiting{0};
    std::vector<int> order;
    std::vector<std::thread> threads;
    {
        const Turns::Held first(turns);
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&, i] {
                ++waiting;
                const Turns::Held turn(turns);
                order.push_back(i);
            });
            while (waiting <= i) std::this_thread::yield();
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
        EXPECT_TRUE(order.empty());
    }
    for (std::thread & t : threads) t.join();
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST(SharedDevice, AGraphWhoseLeavesLiveOnAnotherDeviceIsRefused) {
    ql_device *first = open_device(1), *second = open_device(1);
    {
        const Product product(first, 1);
        ql_plan * plan = nullptr;
        EXPECT_EQ(ql_plan_create(product.graph, second, &product.y, 1, &plan), QL_INVALID_ARGUMENT);
        EXPECT_EQ(plan, nullptr);
        const std::string message = ql_error_message();
        EXPECT_NE(message.find("lives on another device"), std::string::npos) << message;
        EXPECT_EQ(ql_plan_create(product.graph, first, &product.y, 1, &plan), QL_OK) << "its own is as good as ever";
        ql_plan_free(plan);
    }
    ql_device_close(second);
    ql_device_close(first);
}

}  // namespace
}  // namespace ql::test
