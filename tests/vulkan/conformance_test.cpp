// Every operator's kernel of the Vulkan backend, with the validation layers watching: against the reference in f64, the same
// bits each time, and which nodes it leaves to the CPU.
#include <cmath>
#include <cstring>
#include <set>

#include "ggml/graph/graph.hpp"
#include "ql/ql.h"
#include "vulkan/vulkan_device.hpp"

namespace ql::vulkan {
namespace {

using test::Conformance;
using test::nmse;
using test::OpenDevice;

/// Types of weights that no kernel decodes, and those that none encodes.
const std::set<std::string> kNotDecoded = {"iq1_m",  "iq1_s", "iq2_s", "iq2_xs", "iq2_xxs", "iq3_s", "iq3_xxs",
                                           "iq4_xs", "nvfp4", "q1_0",  "q2_0",   "tq1_0",   "tq2_0", "fp4"};
const std::set<std::string> kNotEncoded = {"fp4",  "iq4_nl", "mxfp4", "q2_K", "q3_K",
                                           "q4_K", "q5_0",   "q5_1",  "q5_K", "q6_K"};

bool is_one_of(const Operand & t, const std::set<std::string> & names) {
    return names.count(find_dtype(t.dtype)->name) > 0;
}

/// Whether a node is taken, by what the backend says of itself in docs/vulkan.md.
bool is_taken(const Node & n) {
    if (n.def == &op::rms_norm_back && n.src[0]->ne(0) == 1) return false;
    if (n.def == &op::lora_merge && is_one_of(*n.src[0], kNotEncoded)) return false;
    return std::none_of(n.src.begin(), n.src.end(), [](const Operand * t) { return t && is_one_of(*t, kNotDecoded); });
}

/// One for all tests: its shaders are compiled once.
const OpenDevice & device() {
    static const OpenDevice opened(*find_device("vulkan")->backend, options_of());
    return opened;
}

class VulkanConformance : public testing::TestWithParam<const OpDef *> {};

TEST_P(VulkanConformance, AgreesWithReference) {
    QL_NEEDS_VULKAN();
    const OpDef & def = *GetParam();
    const Kernel & kernel = *device().backend.kernels[op_index(&def)];
    ASSERT_TRUE(kernel.launch) << kernel.missing;
    for (const Case & c : def.cases()) {
        SCOPED_TRACE(c.name);
        Conformance conformance(def, c, 42);
        const Status accepted = kernel.accepts ? kernel.accepts(conformance.node(), *device().impl) : Status();
        ASSERT_EQ(accepted.ok(), is_taken(conformance.node())) << accepted.message();
        if (!accepted.ok()) continue;
        const auto first = conformance.run(device(), false);
        for (size_t i = 0; i < first.size(); ++i)
            EXPECT_LE(nmse(first[i], conformance.wanted(i)), selftest::conformance_limit(def, false)) << "result " << i;
        const auto again = conformance.run(device(), conformance.can_reuse());
        for (size_t i = 0; i < first.size(); ++i)
            EXPECT_EQ(0, std::memcmp(first[i].data(), again[i].data(), first[i].size() * sizeof(float)))
                << "result " << i << (conformance.can_reuse() ? ", in a source's storage" : ", again");
    }
}

/// What is encoded on the device has the CPU's codes, all of them: states of 8 bits, merged weights.
TEST(VulkanCodes, AreTheCpus) {
    QL_NEEDS_VULKAN();
    for (const OpDef * def : {&op::adamw8bit, &op::lion8bit, &op::lora_merge})
        for (const Case & c : def->cases())
            for (const uint64_t seed : {1u, 2u}) {
                SCOPED_TRACE(std::string(def->name) + " " + c.name);
                Conformance conformance(*def, c, seed);
                if (!is_taken(conformance.node())) continue;
                const auto got = conformance.run(device(), false);
                // p of an optimizer is no code; states, their scales and merged weights are.
                for (size_t i = def == &op::lora_merge ? 0 : 1; i < got.size(); ++i) {
                    const std::vector<double> want = conformance.wanted(i);
                    int64_t n_others = 0;
                    for (size_t e = 0; e < want.size(); ++e) n_others += static_cast<double>(got[i][e]) != want[e];
                    EXPECT_EQ(n_others, 0) << "result " << i << ", of " << want.size();
                }
            }
}

/// What a device may lack or have little of: subgroups that add up, shared memory for large tiles.
TEST(VulkanVariants, AgreeWithTheReference) {
    QL_NEEDS_VULKAN();
    const std::pair<const char *, std::vector<const OpDef *>> variants[] = {
        {"subgroups=none", {&op::mul_mat}},
        {"shared=20480", {&op::attention, &op::attention_back}},
        {"shared=8192", {&op::attention, &op::attention_back}}};
    for (const auto & [setting, ops] : variants) {
        const Setting variant(setting);
        const OpenDevice opened(*find_device("vulkan")->backend, options_of());
        for (const OpDef * def : ops)
            for (const Case & c : def->cases()) {
                SCOPED_TRACE(std::string(setting) + " " + c.name);
                Conformance conformance(*def, c, 7);
                if (!is_taken(conformance.node())) continue;
                if (def == &op::mul_mat && !is_one_of(*conformance.node().src[0], {"f32", "nf4_dq", "q4_K"})) continue;
                const auto got = conformance.run(opened, false);
                for (size_t i = 0; i < got.size(); ++i)
                    EXPECT_LE(nmse(got[i], conformance.wanted(i)), selftest::conformance_limit(*def, false));
            }
    }
}

/// Tensors that kernels take in bf16 are held in it; the arithmetic stays f32.
TEST(VulkanBf16, AgreesWithTheReference) {
    QL_NEEDS_VULKAN();
    const OpenDevice opened(*find_device("vulkan")->backend, options_of(QL_COMPUTE_BF16));
    EXPECT_TRUE(opened.caps.bf16);
    int n_narrow = 0;
    for (const OpDef * def : {&op::mul_mat, &op::mul_mat_t, &op::mul_mat_sum, &op::outer, &op::lora, &op::lora_back,
                              &op::rms_norm, &op::swiglu, &op::swiglu_back})
        for (const Case & c : def->cases()) {
            SCOPED_TRACE(std::string(def->name) + " " + c.name);
            Conformance conformance(*def, c, 3, opened.backend.kernels[op_index(def)]);
            const Operand & w = *conformance.node().src[def == &op::mul_mat_sum ? 1 : 0];
            if (!conformance.narrows() || !is_taken(conformance.node())) continue;
            if (def->products && !is_one_of(w, {"f32", "bf16", "nf4"})) continue;
            ++n_narrow;
            const auto got = conformance.run(opened, false);
            for (size_t i = 0; i < got.size(); ++i)
                EXPECT_LE(nmse(got[i], conformance.wanted(i)), selftest::conformance_limit(*def, true, true)) << i;
        }
    EXPECT_GE(n_narrow, 9);
}

/// Far positions, whose angles in f32 would be wrong by a hundredth of a radian, and beyond those of a file.
TEST(VulkanRopeTable, IsExactAtFarPositions) {
    QL_NEEDS_VULKAN();
    Graph g;
    const int64_t n = 5;
    Tensor * pos = g.leaf(TensorKind::input, "pos", QL_I32, 1, &n, nullptr);
    const Node & node = *ql_rope_table(&g, pos, nullptr, 64, 1e6f, 0.5f, 1.25f)->producer;
    const int32_t positions[n] = {0, 1, 131071, 1000003, -77777};
    const DeviceImpl & impl = *device().impl;
    ASSERT_TRUE(device().backend.kernels[op_index(node.def)]->accepts(node, impl).ok());
    std::vector<float> table(64 * n);
    void * in = device().impl->allocate(MemoryKind::device, sizeof(positions)).value();
    void * out = device().impl->allocate(MemoryKind::device, table.size() * 4).value();
    std::vector<Step> steps(1);
    steps[0].node = &node;
    steps[0].kernel = device().backend.kernels[op_index(node.def)];
    steps[0].src = {in, nullptr};
    steps[0].out = {out};
    ASSERT_TRUE(device().copy({in, positions, sizeof(positions), MemoryKind::device, MemoryKind::host}).ok());
    ASSERT_TRUE(device().run(steps).ok());
    ASSERT_TRUE(device().copy({table.data(), out, table.size() * 4, MemoryKind::host, MemoryKind::device}).ok());
    for (size_t t = 0; t < n; ++t)
        for (size_t i = 0; i < 32; ++i) {
            const double angle = positions[t] * 0.5 * std::pow(1e6, -2.0 * static_cast<double>(i) / 64);
            EXPECT_NEAR(table[t * 64 + 2 * i], 1.25 * std::cos(angle), 3e-7) << t << ", " << i;
            EXPECT_NEAR(table[t * 64 + 2 * i + 1], 1.25 * std::sin(angle), 3e-7) << t << ", " << i;
        }
    for (void * data : {in, out}) device().impl->release(MemoryKind::device, data, 0);
}

INSTANTIATE_TEST_SUITE_P(Operators, VulkanConformance, testing::ValuesIn(kOps),
                         [](const auto & p) { return std::string(p.param->name); });

}  // namespace
}  // namespace ql::vulkan
