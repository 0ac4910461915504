// A gated layer and its gradients, once of ql_swiglu and once composed of ql_unary and ql_mul: the plans agree to the
// byte of memory and to the bit of every result.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "ql/ql.h"

namespace ql::test {
namespace {

constexpr int64_t kWidth = 64, kTokens = 33;

using Gate = ql_tensor * (*)(ql_graph *, ql_tensor * gate, ql_tensor * up);

ql_tensor * composed(ql_graph * g, ql_tensor * gate, ql_tensor * up) {
    return ql_mul(g, ql_unary(g, gate, QL_UNARY_SILU), up);
}

struct Outcome {
    std::map<std::string, int> ops;
    uint64_t arena_bytes = 0;
    std::vector<std::vector<float>> results;  // the loss, and the gradients of the two matrices
};

class ComposedGate : public testing::TestWithParam<ql_compute> {
  protected:
    ComposedGate() {
        ql_device_options options;
        ql_device_options_init(&options);
        options.threads = 2;
        options.compute = GetParam();
        EXPECT_EQ(QL_OK, ql_device_open(&options, &device_)) << ql_error_message();
    }
    ~ComposedGate() override { ql_device_close(device_); }

    Outcome run(Gate make, ql_recompute recompute) const {
        ql_graph * g = nullptr;
        EXPECT_EQ(QL_OK, ql_graph_create(&g));
        const int64_t square[] = {kWidth, kWidth}, stream[] = {kWidth, kTokens}, flat = kWidth * kTokens;
        ql_tensor * params[] = {ql_param(g, "gate", 2, square), ql_param(g, "up", 2, square)};
        ql_tensor *x = ql_input(g, "x", QL_F32, 2, stream), *factors = ql_input(g, "factors", QL_F32, 1, &flat);
        ql_tensor * y = make(g, ql_mul_mat(g, params[0], x), ql_mul_mat(g, params[1], x));
        ql_tensor * loss = ql_sum_rows(g, ql_mul(g, ql_reshape(g, y, 1, &flat), factors));
        ql_tensor * outputs[] = {loss, nullptr, nullptr};
        EXPECT_EQ(QL_OK, ql_gradients(g, loss, params, 2, recompute, outputs + 1)) << ql_error_message();
        ql_plan * plan = nullptr;
        EXPECT_EQ(QL_OK, ql_plan_create(g, device_, outputs, 3, &plan)) << ql_error_message();
        for (ql_tensor * t : {params[0], params[1], x, factors}) write(t);
        EXPECT_EQ(QL_OK, ql_plan_run(plan)) << ql_error_message();
        Outcome outcome = look_at(plan);
        for (const ql_tensor * t : outputs) {
            std::vector<float> & v = outcome.results.emplace_back(static_cast<size_t>(ql_tensor_elements(t)));
            EXPECT_EQ(QL_OK, ql_plan_read(plan, t, v.data(), 0, v.size() * sizeof(float))) << ql_error_message();
        }
        ql_plan_free(plan);
        ql_graph_free(g);
        return outcome;
    }

  private:
    static void write(ql_tensor * t) {
        std::vector<float> v(static_cast<size_t>(ql_tensor_elements(t)));
        for (size_t i = 0; i < v.size(); ++i) v[i] = std::sin(0.37f * static_cast<float>(i)) / 2;
        EXPECT_EQ(QL_OK, ql_tensor_write(t, v.data(), 0, v.size() * sizeof(float))) << ql_error_message();
    }
    static Outcome look_at(const ql_plan * plan) {
        Outcome outcome;
        ql_plan_info info{sizeof(info)};
        EXPECT_EQ(QL_OK, ql_plan_describe(plan, &info));
        outcome.arena_bytes = info.arena_bytes;
        ql_plan_node_info node{sizeof(node)};
        for (int64_t i = 0; ql_plan_node(plan, i, &node) == QL_OK; ++i) ++outcome.ops[node.op];
        return outcome;
    }

    ql_device * device_ = nullptr;
};

TEST_P(ComposedGate, IsPlannedAsTheOperatorIs) {
    for (const ql_recompute recompute : {QL_RECOMPUTE_NONE, QL_RECOMPUTE_CHEAP}) {
        const Outcome fused = run(ql_swiglu, recompute), of_parts = run(composed, recompute);
        EXPECT_EQ(of_parts.ops, fused.ops);
        EXPECT_EQ(of_parts.arena_bytes, fused.arena_bytes);
        EXPECT_EQ(of_parts.results, fused.results);
    }
}

TEST_P(ComposedGate, GivesTheSameBitsWithResultsComputedAgain) {
    EXPECT_EQ(run(composed, QL_RECOMPUTE_CHEAP).results, run(composed, QL_RECOMPUTE_NONE).results);
}

INSTANTIATE_TEST_SUITE_P(Compute, ComposedGate, testing::Values(QL_COMPUTE_F32, QL_COMPUTE_AUTO),
                         [](const auto & info) { return info.param == QL_COMPUTE_F32 ? "f32" : "auto"; });

}  // namespace
}  // namespace ql::test
