// Every operator's kernel of the Vulkan backend, with the validation layers watching: against the reference in f64, the same
// bits each time, and which nodes it leaves to the CPU.
#include <cstring>
#include <set>

#include "vulkan/vulkan_device.hpp"

namespace ql::vulkan {
namespace {

using test::Conformance;
using test::nmse;
using test::OpenDevice;

/// Operators that have no kernel, and types of weights that no kernel decodes.
const std::set<std::string> kMissing = {"adamw8bit", "lion8bit", "lora_merge", "rope_table"};
const std::set<std::string> kNotDecoded = {"iq1_m",  "iq1_s", "iq2_s", "iq2_xs", "iq2_xxs", "iq3_s", "iq3_xxs",
                                           "iq4_xs", "nvfp4", "q1_0",  "q2_0",   "tq1_0",   "tq2_0"};

/// Whether a node is taken, by what the backend says of itself in docs/vulkan.md.
bool is_taken(const Node & n) {
    if (n.def == &op::rms_norm_back && n.src[0]->ne(0) == 1) return false;
    return std::none_of(n.src.begin(), n.src.end(),
                        [](const Operand * t) { return t && kNotDecoded.count(find_dtype(t->dtype)->name) > 0; });
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
    ASSERT_EQ(!kernel.launch, kMissing.count(std::string(def.name)) > 0) << (kernel.missing ? kernel.missing : "");
    if (!kernel.launch) return;
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

INSTANTIATE_TEST_SUITE_P(Operators, VulkanConformance, testing::ValuesIn(kOps),
                         [](const auto & p) { return std::string(p.param->name); });

}  // namespace
}  // namespace ql::vulkan
