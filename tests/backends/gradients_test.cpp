// Every gradient on a device with a memory of its own: forward and backward pass in one plan give the CPU's bits, and
// what the references give in f64.
#include <gtest/gtest.h>

#include <string_view>

#include "backends/attention_cases.hpp"
#include "backends/opened_device.hpp"
#include "ggml/grad/grad.hpp"
#include "support/conformance.hpp"
#include "support/gradient_case.hpp"

namespace ql::test {
namespace {

constexpr uint64_t kSeed = 17;

class ApartGradients : public testing::TestWithParam<OpCase> {
  protected:
    using Values = std::vector<std::vector<float>>;

    /// The loss and its gradients, appended to the graph.
    static std::vector<Tensor *> outputs_of(LossOfCase & g) {
        GradBuilder builder(g.of.graph, op::add, QL_RECOMPUTE_NONE);
        const Status status = builder.run(g.loss, g.params);
        EXPECT_TRUE(status.ok()) << status.message();
        std::vector<Tensor *> outputs = {g.loss};
        for (const Tensor * p : g.params) outputs.push_back(builder.gradient(p));
        return outputs;
    }

    static Values run_on(const char * name, ql_compute compute = QL_COMPUTE_AUTO) {
        const OpenedDevice opened(name, compute);
        EXPECT_EQ(QL_OK, opened.status) << ql_error_message();
        LossOfCase g(GetParam(), kSeed);
        const std::vector<Tensor *> outputs = outputs_of(g);
        ql_plan * plan = nullptr;
        EXPECT_EQ(QL_OK,
                  ql_plan_create(&g.of.graph, opened.device, outputs.data(), static_cast<int>(outputs.size()), &plan))
            << ql_error_message();
        write_leaves(g.of);
        EXPECT_EQ(QL_OK, ql_plan_run(plan)) << ql_error_message();
        Values values;
        for (const Tensor * t : outputs) {
            std::vector<float> & v = values.emplace_back(static_cast<size_t>(t->shape.elements()));
            EXPECT_EQ(QL_OK, ql_plan_read(plan, t, v.data(), 0, t->bytes())) << ql_error_message();
        }
        ql_plan_free(plan);
        return values;
    }

    /// Writes the leaves that the plan reads; a leaf that the plan does not need has no memory on the device.
    static void write_leaves(const CaseGraph & g) {
        for (size_t i = 0; i < g.leaves.size(); ++i) {
            if (g.leaves[i]->kind == TensorKind::weight || !g.leaves[i]->storage.device) continue;
            const AlignedBytes bytes(g.leaves[i]->bytes());
            const Status filled = selftest::fill_input(g.inputs[i], kSeed + i, bytes.data());
            EXPECT_TRUE(filled.ok()) << filled.message();
            EXPECT_EQ(QL_OK, ql_tensor_write(g.leaves[i], bytes.data(), 0, g.leaves[i]->bytes())) << ql_error_message();
        }
    }

    /// Whether products round their operands.
    static bool rounds() {
        const OpenedDevice opened("cpu");
        ql_device_info info{sizeof(info)};
        return ql_device_describe(opened.device, &info) == QL_OK && std::string_view(info.product) != "f32";
    }

    static std::vector<std::vector<double>> references() {
        LossOfCase g(GetParam(), kSeed);
        const std::vector<Tensor *> outputs = outputs_of(g);
        ReferenceRun<double> run(g.of.graph);
        run.fill(g.of, kSeed);
        run.run();
        std::vector<std::vector<double>> values;
        for (const Tensor * t : outputs) values.push_back(run.values(t));
        return values;
    }
};

TEST_P(ApartGradients, AreTheCpusBitsAndTheReferencesValues) {
    if (!LossOfCase(GetParam(), kSeed).loss) GTEST_SKIP() << "a case without trainable inputs";
    const Values apart = run_on("apart"), cpu = run_on("cpu");
    const auto wanted = references();
    ASSERT_EQ(apart.size(), wanted.size());
    for (size_t i = 0; i < apart.size(); ++i) {
        EXPECT_EQ(0, std::memcmp(apart[i].data(), cpu[i].data(), cpu[i].size() * sizeof(float))) << "output " << i;
        if (i == 0 && rounds()) continue;  // the loss is one sum, which may cancel to less than its roundings
        EXPECT_LE(nmse(apart[i], wanted[i]), 1e-3) << "output " << i;  // products may round to bf16, and cancel
    }
}

#ifdef QL_CUDA_EMULATED
/// The CUDA backend's kernels, emulated: f32 products, so that what differs is the order of sums.
class CudaGradients : public ApartGradients {};

TEST_P(CudaGradients, AreTheReferencesValues) {
    if (!LossOfCase(GetParam(), kSeed).loss) GTEST_SKIP() << "a case without trainable inputs";
    const Injected settings("checks=2", "QL_CUDA_EMU");  // the conformance tests check every access
    const char * card = std::getenv("QL_TEST_CARD");     // tools/gpu-check.sh: a real one
    const Values cuda = run_on(card ? card : "cuda-emu", QL_COMPUTE_F32);
    const auto wanted = references();
    ASSERT_EQ(cuda.size(), wanted.size());
    for (size_t i = 0; i < cuda.size(); ++i)
        EXPECT_LE(nmse(cuda[i], wanted[i]), i == 0 ? 1e-4 : 1e-9)
            << "output " << i;  // the loss is one sum, which may cancel
}

/// Attention on tensor cores: forward and backward pass, rounded to bf16.
class CudaTensorGradients : public ApartGradients {};

TEST_P(CudaTensorGradients, AreTheReferencesValues) {
    const Injected settings("checks=2", "QL_CUDA_EMU");
    const char * card = std::getenv("QL_TEST_CARD");
    const Values cuda = run_on(card ? card : "cuda-emu", QL_COMPUTE_BF16);
    const auto wanted = references();
    for (size_t i = 1; i < cuda.size(); ++i) EXPECT_LE(nmse(cuda[i], wanted[i]), 1e-4) << "output " << i;
}

std::vector<OpCase> tensor_attention_cases() {
    std::vector<OpCase> list;
    for (const AttentionSize & size : kAttentionSizes) list.push_back({&op::attention, attention_case(size)});
    return list;
}
INSTANTIATE_TEST_SUITE_P(Attention, CudaTensorGradients, testing::ValuesIn(tensor_attention_cases()),
                         [](const auto & info) { return op_case_name(info.param); });

INSTANTIATE_TEST_SUITE_P(Operators, CudaGradients, testing::ValuesIn(differentiable_cases()),
                         [](const auto & info) { return op_case_name(info.param); });
#endif

INSTANTIATE_TEST_SUITE_P(Operators, ApartGradients, testing::ValuesIn(differentiable_cases()),
                         [](const auto & info) { return op_case_name(info.param); });

}  // namespace
}  // namespace ql::test
