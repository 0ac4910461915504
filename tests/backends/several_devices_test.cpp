// One plan over several devices and memories gives the CPU's bits, and says where each node runs; what a device cannot
// do ends in a message.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "backends/opened_device.hpp"
#include "ggml/selftest/case_input.hpp"
#include "ql/ql.h"

namespace ql::test {
namespace {

constexpr int64_t kWidth = 64, kRank = 4, kTokens = 33;
constexpr int kLayers = 4;

std::vector<float> values(int64_t n, uint64_t seed) {
    return case_floats({Shape(n), Fill::small}, seed);
}

/// A small network in layers with adapters, its loss, the gradients, and sums and a counter that outlive a run.
class Network {
  public:
    explicit Network(ql_device * device) {
        EXPECT_EQ(QL_OK, ql_graph_create(&g));
        build_layers();
        build_gradients();
        std::vector<ql_tensor *> outputs = {loss_, norm_, counted_};
        outputs.insert(outputs.end(), sums_.begin(), sums_.end());
        status = ql_plan_create(g, device, outputs.data(), static_cast<int>(outputs.size()), &plan);
        if (status == QL_OK) write_leaves();
    }
    ~Network() {
        ql_plan_free(plan);
        ql_graph_free(g);
    }
    Network(const Network &) = delete;
    Network & operator=(const Network &) = delete;

    /// What can be read after two runs.
    std::vector<float> results() {
        for (int run = 0; run < 2; ++run) EXPECT_EQ(QL_OK, ql_plan_run(plan)) << ql_error_message();
        std::vector<float> all;
        const auto append = [&](ql_tensor * t, auto read) {
            std::vector<float> v(static_cast<size_t>(ql_tensor_elements(t)));
            EXPECT_EQ(QL_OK, read(t, v.data(), v.size() * sizeof(float))) << ql_error_message();
            all.insert(all.end(), v.begin(), v.end());
        };
        const auto output = [&](ql_tensor * t, void * to, size_t n) { return ql_plan_read(plan, t, to, 0, n); };
        append(loss_, output);
        append(norm_, output);
        for (ql_tensor * sum : sums_) append(sum, output);
        append(counter_, [](ql_tensor * t, void * to, size_t n) { return ql_tensor_read(t, to, 0, n); });
        return all;
    }
    /// How many nodes run where, how many copies the plan makes, and which nodes were moved.
    std::map<std::string, int> places() {
        std::map<std::string, int> count;
        ql_plan_node_info info{sizeof(info)};
        for (int64_t i = 0; ql_plan_node(plan, i, &info) == QL_OK; ++i, info.size = sizeof(info)) {
            ++count[std::string(info.op) == "copy" ? std::string("copy by ") + info.device : info.device];
            if (*info.moved) ++count[std::string(info.op) + ": " + info.moved];
        }
        return count;
    }

    ql_status status;
    ql_graph * g = nullptr;
    ql_plan * plan = nullptr;

  private:
    ql_tensor * weight(int64_t k, int64_t m) {
        const int64_t ne[] = {k, m};
        frozen_.push_back(values(k * m, 10 + frozen_.size()));
        return ql_weight(g, "w", QL_F32, m == 1 ? 1 : 2, ne, frozen_.back().data());
    }
    ql_tensor * param(int64_t k, int64_t m) {
        const int64_t ne[] = {k, m};
        return params_.emplace_back(ql_param(g, "p", 2, ne));
    }
    ql_tensor * layer(ql_tensor * h, ql_tensor * angles) {
        const int64_t heads[] = {32, 2, kTokens}, stream[] = {kWidth, kTokens};
        ql_tensor * n = ql_rms_norm(g, h, weight(kWidth, 1), 1e-5f);
        ql_tensor *a = param(kWidth, kRank), *b = param(kRank, kWidth);
        ql_tensor * y = ql_lora(g, ql_mul_mat(g, weight(kWidth, kWidth), n), n, a, b, 0.5f);
        ql_tensor * q = ql_rope(g, ql_reshape(g, y, 3, heads), angles, QL_ROPE_NORMAL);
        ql_tensor * o = ql_attention(g, q, q, ql_reshape(g, n, 3, heads), span_, 0.2f);
        return ql_add(g, h, ql_swiglu(g, ql_reshape(g, o, 2, stream), y));
    }
    void build_layers() {
        const int64_t stream[] = {kWidth, kTokens}, t = kTokens, pairs[] = {2, kTokens};
        x_ = ql_input(g, "x", QL_F32, 2, stream);
        positions_ = ql_input(g, "positions", QL_I32, 1, &t);
        span_ = ql_input(g, "span", QL_I32, 2, pairs);
        targets_ = ql_input(g, "targets", QL_I32, 1, &t);
        shares_ = ql_input(g, "shares", QL_F32, 1, &t);
        ql_tensor *h = x_, *angles = ql_rope_table(g, positions_, nullptr, 32, 10000, 1, 1);
        for (int i = 0; i < kLayers; ++i) {
            EXPECT_EQ(QL_OK, ql_graph_set_place(g, i));
            h = layer(h, angles);
        }
        loss_ = ql_head_loss(g, h, weight(kWidth, 50), targets_, shares_, nullptr);
    }
    void build_gradients() {
        std::vector<ql_tensor *> grads(params_.size());
        EXPECT_EQ(QL_OK, ql_gradients(g, loss_, params_.data(), static_cast<int>(params_.size()), QL_RECOMPUTE_CHEAP,
                                      grads.data()))
            << ql_error_message();
        for (ql_tensor * gradient : grads) {
            const int64_t ne[] = {ql_tensor_ne(gradient, 0), ql_tensor_ne(gradient, 1)}, one = 1;
            sums_.push_back(ql_accumulate(g, ql_state(g, "sum", QL_F32, 2, ne), gradient));
            if (!counter_) counter_ = ql_state(g, "counter", QL_F32, 1, &one);
        }
        norm_ = ql_global_norm(g, sums_.data(), static_cast<int>(sums_.size()));
        counted_ = ql_accumulate(g, counter_, norm_);
    }
    void write_leaves() {
        const auto put = [](ql_tensor * t, const auto & v) {
            EXPECT_EQ(QL_OK, ql_tensor_write(t, v.data(), 0, v.size() * 4)) << ql_error_message();
        };
        std::vector<int32_t> positions, span, targets;
        for (int32_t i = 0; i < kTokens; ++i) {
            positions.push_back(i);
            span.insert(span.end(), {0, i + 1});
            targets.push_back(i % 7 == 0 ? -1 : i);
        }
        put(x_, values(kWidth * kTokens, 1));
        put(positions_, positions);
        put(span_, span);
        put(targets_, targets);
        put(shares_, std::vector<float>(kTokens, 1.0f / kTokens));
        for (size_t i = 0; i < params_.size(); ++i) put(params_[i], values(ql_tensor_elements(params_[i]), 50 + i));
    }

    std::vector<std::vector<float>> frozen_;
    std::vector<ql_tensor *> params_, sums_;
    ql_tensor *x_ = nullptr, *positions_ = nullptr, *span_ = nullptr, *targets_ = nullptr, *shares_ = nullptr;
    ql_tensor *loss_ = nullptr, *norm_ = nullptr, *counter_ = nullptr, *counted_ = nullptr;
};

std::vector<float> results_on(const char * name) {
    OpenedDevice opened(name);
    EXPECT_EQ(QL_OK, opened.status) << ql_error_message();
    Network network(opened.device);
    EXPECT_EQ(QL_OK, network.status) << ql_error_message();
    return network.status == QL_OK ? network.results() : std::vector<float>();
}

TEST(SeveralDevices, GiveTheBitsOfOne) {
    const std::vector<float> want = results_on("cpu");
    ASSERT_GT(want.size(), 100u);
    EXPECT_NE(want[0], 0);
    for (const char * name : {"apart", "apart:0,apart:1", "cpu,apart:0", "apart:0,apart:1,cpu", "cpu,cpu"})
        EXPECT_EQ(results_on(name), want) << name;
}

/// Whatever their queues do first, and however late they begin.
TEST(SeveralDevices, GiveTheBitsOfOneInEveryOrderOfTheirQueues) {
    const std::vector<float> want = results_on("cpu");
    for (const char * delay : {"1", "50", "100"})
        for (int seed = 1; seed <= 8; ++seed) {
            const Injected order("seed=" + std::to_string(seed) + ",delay=" + delay);
            for (const char * name : {"apart", "cpu,apart", "apart:0,apart:1,cpu"})
                EXPECT_EQ(results_on(name), want) << name << ", seed " << seed << ", delay " << delay;
        }
}

#ifdef QL_CUDA_EMULATED
double difference(const std::vector<float> & got, const std::vector<float> & want) {
    if (got.size() != want.size()) return INFINITY;
    double error = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        error += (static_cast<double>(got[i]) - want[i]) * (static_cast<double>(got[i]) - want[i]);
        size += static_cast<double>(want[i]) * want[i];
    }
    return error / size;
}

/// A network as a whole: forward and backward pass, states that outlive a run, copies between cards.
TEST(SeveralDevices, EmulatedCardsComeNearTheCpuAndAgreeInEveryOrder) {
    const std::vector<float> cpu = results_on("cpu");
    const std::vector<float> want = results_on("cuda-emu");
    EXPECT_LT(difference(want, cpu), 2e-4);  // products round to bf16, on the CPU perhaps not
    for (const char * order : {"seed=2,delay=1", "seed=3,delay=50", "seed=4,delay=100"}) {
        const Injected settings(std::string("checks=2,") + order, "QL_CUDA_EMU");
        EXPECT_EQ(results_on("cuda-emu"), want) << order;
        EXPECT_EQ(results_on("cuda-emu:0,cuda-emu:1"), want) << order;
        EXPECT_LT(difference(results_on("cuda-emu,cpu"), cpu), 2e-4) << order;
    }
}

TEST(SeveralDevices, AnEmulatedCardTooSmallForAPlanIsAnError) {
    const Injected small("alloc=7", "QL_CUDA_EMU");
    OpenedDevice opened("cuda-emu");
    Network network(opened.device);
    EXPECT_EQ(network.status, QL_NO_MEMORY);
    EXPECT_NE(std::string(ql_error_message()).find("cudaMalloc"), std::string::npos) << ql_error_message();
}

TEST(SeveralDevices, ALaunchThatFailsIsAnErrorOfItsRunAlone) {
    const Injected fault("launch=5", "QL_CUDA_EMU");
    OpenedDevice opened("cuda-emu");
    Network network(opened.device);
    ASSERT_EQ(QL_OK, network.status) << ql_error_message();
    EXPECT_EQ(QL_IO, ql_plan_run(network.plan));
    EXPECT_NE(std::string(ql_error_message()).find("a launch was made to fail"), std::string::npos)
        << ql_error_message();
    EXPECT_EQ(QL_OK, ql_plan_run(network.plan)) << ql_error_message();
}
#endif

TEST(SeveralDevices, ShareOutTheLayers) {
    OpenedDevice opened("apart:0,cpu");
    Network network(opened.device);
    ASSERT_EQ(QL_OK, network.status) << ql_error_message();
    const std::map<std::string, int> places = network.places();
    EXPECT_GT(places.at("apart:0"), 10);
    EXPECT_GT(places.at("cpu"), 10);
    EXPECT_GT(places.at("copy by apart:0"), 0);
    EXPECT_EQ(places.count("copy by cpu"), 0u) << "it reads what the device has sent where that lies";
    EXPECT_LE(places.at("copy by apart:0"), 8) << "stream, angles, span; four sums for the norm; one way each, once";
}

TEST(SeveralDevices, MemoryIsThatOfEachDevice) {
    const OpenedDevice first("cpu"), second("apart");
    const ql_device *cpu = first.device, *apart = second.device;
    Network network(first.device), other(second.device);
    ASSERT_TRUE(network.status == QL_OK && other.status == QL_OK) << ql_error_message();
    const ql_plan * plans[] = {network.plan, other.plan};
    const auto memory = [&](const ql_device * device) {
        ql_memory_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plans_memory(plans, 2, device, &info)) << ql_error_message();
        return info;
    };
    const ql_memory_info here = memory(cpu), there = memory(apart), all = memory(nullptr);
    EXPECT_GT(here.weights, 0u);
    EXPECT_EQ(there.weights, here.weights) << "uploaded as they are";
    EXPECT_EQ(there.params, here.params);
    EXPECT_EQ(there.states, here.states);
    EXPECT_EQ(all.total, here.total + there.total);
    EXPECT_GT(here.scratch, 0u);
    EXPECT_LE(here.scratch, here.results);
}

TEST(SeveralDevices, WhatABackendHasNoKernelForRunsOnTheCpu) {
    const std::vector<float> want = results_on("cpu");
    const Injected without("without_rope=1");
    OpenedDevice opened("apart");
    Network network(opened.device);
    ASSERT_EQ(QL_OK, network.status) << ql_error_message();
    EXPECT_EQ(network.results(), want);
    EXPECT_GE(network.places().at("rope: its backend has no kernel"), 2 * kLayers);
}

TEST(SeveralDevices, AFailedAllocationIsAnError) {
    for (int n = 1; n < 100; ++n) {
        const Injected fault("alloc=" + std::to_string(n));
        OpenedDevice opened("apart");
        Network network(opened.device);
        if (network.status == QL_OK) {
            EXPECT_GT(n, 20) << "leaves, arena and outputs are allocations";
            return;
        }
        EXPECT_EQ(network.status, QL_NO_MEMORY);
        EXPECT_EQ(network.plan, nullptr);
    }
    ADD_FAILURE() << "no end of allocations";
}

TEST(SeveralDevices, AFailedCopyIsAnError) {
    const Injected fault("copy=3");
    OpenedDevice opened("apart");
    Network network(opened.device);
    EXPECT_EQ(network.status, QL_IO) << "an upload of a weight";
    EXPECT_STREQ(ql_error_message(), "apart: a copy was made to fail");
}

TEST(SeveralDevices, ALostDeviceIsAnErrorOfEveryRunFromThenOn) {
    const Injected fault("lost=2");
    OpenedDevice opened("apart");
    Network network(opened.device);
    ASSERT_EQ(QL_OK, network.status) << ql_error_message();
    EXPECT_EQ(QL_OK, ql_plan_run(network.plan));
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(QL_IO, ql_plan_run(network.plan));
        EXPECT_STREQ(ql_error_message(), "apart: the device was lost");
    }
}

TEST(SeveralDevices, AnUnknownOneOfSeveralIsNamed) {
    OpenedDevice opened("cpu,none:1");
    EXPECT_EQ(opened.status, QL_NOT_FOUND);
    EXPECT_NE(std::string(ql_error_message()).find("none:1"), std::string::npos) << ql_error_message();
}

TEST(SeveralDevices, AStateOfADeviceThatIsNotThePlansIsRefused) {
    OpenedDevice first("apart:0"), second("apart:1");
    Network network(first.device);
    ASSERT_EQ(QL_OK, network.status) << ql_error_message();
    const int64_t one = 1;
    ql_tensor *state = ql_state(network.g, "s", QL_F32, 1, &one), *other = ql_state(network.g, "t", QL_F32, 1, &one);
    ql_tensor * sum = ql_accumulate(network.g, state, other);
    ql_plan *here = nullptr, *there = nullptr;
    ASSERT_EQ(QL_OK, ql_plan_create(network.g, first.device, &sum, 1, &here)) << ql_error_message();
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_plan_create(network.g, second.device, &sum, 1, &there));
    ql_plan_free(here);
    for (ql_device * last : {first.device, second.device}) {
        ql_device * const both[] = {last == first.device ? second.device : first.device, last};
        EXPECT_EQ(QL_OK, ql_plan_create_on(network.g, both, 2, &sum, 1, nullptr, &there)) << ql_error_message();
        EXPECT_EQ(QL_OK, ql_plan_run(there)) << ql_error_message();
        ql_plan_free(there);
    }
}

}  // namespace
}  // namespace ql::test
