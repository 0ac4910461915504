// Leaves that are paged out: optimizer states that lie in a file, and in memory only while their parameter is updated.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>

#include "ql/optim.h"
#include "ql/ql.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

constexpr int kParams = 12;
constexpr int64_t kElements = 100000;  // two states of f32 are 800 KB: a phase has room for two parameters

/// Parameters with AdamW's moments, their gradients, and a plan that updates them.
struct Update {
    GraphPtr graph;
    PlanPtr plan;
    std::vector<ql_tensor *> params, grads, states, outputs;
    ql_tensor * hyper = nullptr;

    explicit Update(const char * spill = nullptr, Status * status = nullptr) {
        EXPECT_EQ(QL_OK, ql_graph_create(out(graph)));
        ql_graph * g = graph.get();
        const int64_t n_hyper = QL_HYPER_N;
        hyper = ql_input(g, "hyper", QL_F32, 1, &n_hyper);
        for (int i = 0; i < kParams; ++i) {
            params.push_back(ql_param(g, "p", 1, &kElements));
            grads.push_back(ql_state(g, "g", QL_F32, 1, &kElements));
            for (const char * name : {"m", "v"}) states.push_back(ql_state(g, name, QL_F32, 1, &kElements));
        }
        ql_tensor * norm = ql_global_norm(g, grads.data(), kParams);
        outputs = {norm};
        for (size_t i = 0; i < kParams; ++i)
            outputs.push_back(ql_adamw(g, params[i], grads[i], states[2 * i], states[2 * i + 1], norm, hyper, 1));
        Status paged;
        if (spill) paged = ql_graph_page_out(g, states.data(), static_cast<int>(states.size()), spill);
        EXPECT_TRUE(status || paged.ok()) << paged.message();
        if (status) *status = paged;
    }

    Status make(ql_device * device) {
        QL_ASSIGN(plan, make_plan(graph, device, outputs, ql_plan_options{sizeof(ql_plan_options)}));
        const float values[QL_HYPER_N] = {1e-2f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.1f, 0.001f, 1};
        QL_TRY(write_tensor(hyper, values));
        for (size_t i = 0; i < kParams; ++i) QL_TRY(write_tensor(params[i], numbers(i, 1)));
        return {};
    }
    Status step(size_t t) {
        for (size_t i = 0; i < kParams; ++i) QL_TRY(write_tensor(grads[i], numbers(i, t + 2)));
        return ql_plan_run(plan.get());
    }
    static std::vector<float> numbers(size_t i, size_t seed) {
        std::vector<float> values(kElements);
        for (size_t e = 0; e < values.size(); ++e)
            values[e] = static_cast<float>((e * 7919 + i * 104729 + seed * 1299709) % 2003) / 2003 - 0.5f;
        return values;
    }
    std::vector<float> all() const {
        std::vector<float> all, values(kElements);
        for (const auto * tensors : {&params, &states})
            for (const ql_tensor * t : *tensors) {
                EXPECT_EQ(QL_OK, ql_tensor_read(t, values.data(), 0, values.size() * sizeof(float)));
                all.insert(all.end(), values.begin(), values.end());
            }
        return all;
    }
    ql_plan_info describe() const {
        ql_plan_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plan_describe(plan.get(), &info));
        return info;
    }
};

class LeafPages : public testing::Test {
  protected:
    LeafPages() { EXPECT_EQ(QL_OK, ql_device_open(nullptr, out(device_))); }
    std::vector<float> expected(size_t steps) const {
        Update plain;
        EXPECT_TRUE(plain.make(device_.get()).ok());
        for (size_t t = 0; t < steps; ++t) EXPECT_TRUE(plain.step(t).ok());
        return plain.all();
    }
    std::string here() const { return folder_.path(""); }

    TemporaryFolder folder_;
    DevicePtr device_;
};

TEST_F(LeafPages, GiveTheBitsOfLeavesInMemory) {
    Update paged(here().c_str());
    ASSERT_TRUE(paged.make(device_.get()).ok()) << ql_error_message();
    EXPECT_TRUE(folder_.names().empty()) << "the file has no name";
    for (size_t t = 0; t < 3; ++t) ASSERT_TRUE(paged.step(t).ok()) << ql_error_message();
    EXPECT_EQ(paged.all(), expected(3));
}

TEST_F(LeafPages, AreInMemoryAFewAtATime) {
    Update plain, paged(here().c_str());
    ASSERT_TRUE(plain.make(device_.get()).ok() && paged.make(device_.get()).ok()) << ql_error_message();
    const uint64_t states = 2 * kParams * kElements * sizeof(float);
    const ql_plan_info with = plain.describe(), info = paged.describe();
    EXPECT_EQ(with.leaf_bytes - info.leaf_bytes, states);
    EXPECT_GT(info.page_bytes, 0u);
    EXPECT_LE(info.page_bytes, uint64_t{6} << 20) << "three phases of 2 MiB";
    EXPECT_EQ(info.leaf_read_bytes, states);
    EXPECT_EQ(info.leaf_written_bytes, states);
    EXPECT_EQ(info.read_bytes, 0u) << "no weight";
    ASSERT_TRUE(paged.step(0).ok());
    EXPECT_EQ(paged.describe().bytes_read, states);
    EXPECT_EQ(paged.describe().bytes_written, states);
    EXPECT_EQ(with.leaf_read_bytes, 0u);
}

TEST_F(LeafPages, AreWrittenAndReadInPlace) {
    Update paged(here().c_str());
    const std::vector<float> some = {1, 2, 3};
    ASSERT_EQ(QL_OK, ql_tensor_write(paged.states[5], some.data(), 40, 12));
    std::vector<float> back(4);
    ASSERT_EQ(QL_OK, ql_tensor_read(paged.states[5], back.data(), 40, 16));
    EXPECT_EQ(back, (std::vector<float>{1, 2, 3, 0}));
    EXPECT_EQ(QL_INVALID_ARGUMENT, ql_tensor_read(paged.states[5], back.data(), kElements * 4 - 8, 16));
    ASSERT_EQ(QL_OK, ql_tensor_read(paged.states[4], back.data(), kElements * 4 - 16, 16));
    EXPECT_EQ(back, std::vector<float>(4)) << "no neighbour is touched";
}

TEST_F(LeafPages, OutliveTheirFolder) {
    const std::string inner = folder_.path("inner");
    std::filesystem::create_directory(inner);
    Update paged(inner.c_str());
    ASSERT_TRUE(paged.make(device_.get()).ok());
    ASSERT_TRUE(paged.step(0).ok());
    std::filesystem::remove_all(inner);
    ASSERT_TRUE(paged.step(1).ok()) << ql_error_message();
    EXPECT_EQ(paged.all(), expected(2));
}

TEST_F(LeafPages, AWriteThatFailsIsAnErrorThatNamesTheFolder) {
    std::signal(SIGXFSZ, SIG_IGN);
    Update paged(here().c_str());
    ASSERT_TRUE(paged.make(device_.get()).ok());
    rlimit before{};
    ASSERT_EQ(0, ::getrlimit(RLIMIT_FSIZE, &before));
    const rlimit small = {3 << 20, before.rlim_max};
    ASSERT_EQ(0, ::setrlimit(RLIMIT_FSIZE, &small));
    const Status failed = paged.step(0);
    ASSERT_EQ(0, ::setrlimit(RLIMIT_FSIZE, &before));
    EXPECT_EQ(failed.code(), QL_NO_SPACE);
    const std::string folder = folder_.path("x").substr(0, folder_.path("x").size() - 2);
    EXPECT_NE(failed.message().find(folder + ": cannot write"), std::string::npos) << failed.message();
}

TEST_F(LeafPages, SpaceIsSetAsideAtTheStart) {
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ASSERT_EQ(0, ::getrlimit(RLIMIT_FSIZE, &before));
    const rlimit small = {3 << 20, before.rlim_max};
    ASSERT_EQ(0, ::setrlimit(RLIMIT_FSIZE, &small));
    Status refused;
    const Update paged(here().c_str(), &refused);
    ASSERT_EQ(0, ::setrlimit(RLIMIT_FSIZE, &before));
    EXPECT_EQ(refused.code(), QL_NO_SPACE) << refused.message();
}

TEST_F(LeafPages, OtherLeavesAndSecondPlacesAreRefused) {
    Update u;
    ql_graph * g = u.graph.get();
    const auto page = [&](std::vector<ql_tensor *> leaves, const char * folder) {
        return ql_graph_page_out(g, leaves.data(), static_cast<int>(leaves.size()), folder);
    };
    EXPECT_EQ(QL_INVALID_ARGUMENT, page({u.hyper}, here().c_str())) << "an input";
    EXPECT_EQ(QL_INVALID_ARGUMENT, page({u.outputs[0]}, here().c_str())) << "a result";
    EXPECT_EQ(QL_INVALID_ARGUMENT, page({nullptr}, here().c_str()));
    EXPECT_EQ(QL_INVALID_ARGUMENT, page({Update().states[0]}, here().c_str())) << "another graph's";
    EXPECT_EQ(QL_INVALID_ARGUMENT, page({u.states[0], u.states[0]}, here().c_str())) << "twice";
    EXPECT_EQ(QL_NOT_FOUND, page({u.states[0]}, "/nowhere"));
    EXPECT_EQ(QL_OK, page({}, "/nowhere")) << "nothing is paged out";
    ASSERT_EQ(QL_OK, page({u.states[0]}, here().c_str())) << ql_error_message();
    EXPECT_EQ(QL_INVALID_ARGUMENT, page({u.states[0]}, here().c_str())) << "twice";
    ASSERT_TRUE(u.make(device_.get()).ok());
    EXPECT_EQ(QL_INVALID_ARGUMENT, page({u.states[1]}, here().c_str())) << "it is in memory";
    ASSERT_TRUE(u.step(0).ok()) << "one of them alone";
    EXPECT_EQ(u.all(), expected(1));
}

}  // namespace
}  // namespace ql::test
