// Every operator's kernel of the CUDA backend, run by the emulation under several orders of blocks, threads and streams:
// against the reference in f64, the same bits in every order, and which nodes it leaves to the CPU.
#ifdef QL_CUDA_EMULATED
#include <gtest/gtest.h>

#include <set>

#include "backends/attention_cases.hpp"
#include "backends/opened_device.hpp"
#include "ggml/backend/registry.hpp"
#include "support/conformance.hpp"

namespace ql::test {
namespace {

ql_device_options options_of(ql_compute compute) {
    ql_device_options options;
    ql_device_options_init(&options);
    options.compute = compute;
    return options;
}

const Backend & backend() {
    const auto found = find_device("cuda-emu:0");
    if (!found.ok()) throw std::runtime_error(found.message());
    return *found->backend;
}
const Kernel & kernel_of(const OpDef & def) {
    return *backend().kernels[op_index(&def)];
}

/// Operators that have no kernel, and types of weights that no kernel decodes.
const std::set<std::string> kMissing = {"lora_merge"};
const std::set<std::string> kNotDecoded = {"iq1_m",  "iq1_s", "iq2_s", "iq2_xs", "iq2_xxs", "iq3_s", "iq3_xxs",
                                           "iq4_xs", "nvfp4", "q1_0",  "q2_0",   "tq1_0",   "tq2_0", "fp4"};

bool is_decoded(const Node & n) {
    return std::none_of(n.src.begin(), n.src.end(),
                        [](const Operand * t) { return t && kNotDecoded.count(find_dtype(t->dtype)->name) > 0; });
}

class CudaConformance : public testing::TestWithParam<std::tuple<const OpDef *, ql_compute>> {};

TEST_P(CudaConformance, AgreesWithReference) {
    const OpDef & def = *std::get<0>(GetParam());
    const Kernel & kernel = kernel_of(def);
    ASSERT_EQ(!kernel.launch, kMissing.count(std::string(def.name)) > 0) << (kernel.missing ? kernel.missing : "");
    if (!kernel.launch) return;
    for (const Case & c : def.cases()) {
        SCOPED_TRACE(c.name);
        const Injected order("seed=5", "QL_CUDA_EMU");
        const OpenDevice device(backend(), options_of(std::get<1>(GetParam())));
        Conformance conformance(def, c, 42);
        const bool accepted = !kernel.accepts || kernel.accepts(conformance.node(), *device.impl).ok();
        ASSERT_EQ(accepted, is_decoded(conformance.node()));
        if (!accepted) continue;
        for (const bool reuse : {false, true}) {
            if (reuse && !conformance.can_reuse()) continue;
            const auto got = conformance.run(device, reuse);
            for (size_t i = 0; i < got.size(); ++i)
                EXPECT_LE(nmse(got[i], conformance.wanted(i)), selftest::conformance_limit(def, device.caps.bf16))
                    << "result " << i;
        }
    }
}

/// Attention of the sizes that tensor cores take: within the limit of rounded products, the same bits in every order, and
/// not those of f32, which another kernel computes.
void expect_tensor_cores(const OpDef & def, const Case & c) {
    SCOPED_TRACE(std::string(def.name) + " " + c.name);
    Conformance conformance(def, c, 42);
    std::vector<std::vector<float>> first;
    for (const char * how : {"seed=5", "seed=6,delay=100"}) {
        const Injected order(how, "QL_CUDA_EMU");
        const OpenDevice device(backend(), options_of(QL_COMPUTE_BF16));
        const auto got = conformance.run(device, false);
        if (first.empty()) first = got;
        for (size_t i = 0; i < got.size(); ++i) {
            EXPECT_EQ(0, std::memcmp(got[i].data(), first[i].data(), got[i].size() * sizeof(float))) << i << " " << how;
            const double error = nmse(got[i], conformance.wanted(i));
            EXPECT_LE(error, selftest::conformance_limit(def, true)) << "result " << i;
            EXPECT_GT(error, 1e-9) << "result " << i << " is not of rounded products";
        }
    }
}

TEST(CudaAttention, RunsOnTensorCores) {
    for (const AttentionSize & size : kAttentionSizes) {
        expect_tensor_cores(op::attention, attention_case(size));
        expect_tensor_cores(op::attention_back, attention_back_case(size));
    }
}

TEST(CudaAttention, RunsOnTensorCoresFromACache) {
    expect_tensor_cores(op::attention, cached_attention_case("f16 d64 T33 of 70", 64, 6, 2, 33, 70, 0, 0));
    expect_tensor_cores(op::attention, cached_attention_case("f16 d128 T9, 3 pages of 5", 128, 3, 1, 9, 192, 64, 5));
}

TEST(CudaKernels, AttentionNamesTheLimitThatIsPassed) {
    const OpenDevice device(backend(), options_of(QL_COMPUTE_F32));
    for (const OpDef * def : kOps) {
        if (def->name != "attention" && def->name != "attention_back") continue;
        Operand q;
        Node node;
        node.src = {&q};
        const auto refusal = [&](int64_t numbers, int64_t heads) {
            q.shape = Shape(numbers, heads);
            return kernel_of(*def).accepts(node, *device.impl).message();
        };
        EXPECT_EQ(refusal(256, 65535), "");
        EXPECT_EQ(refusal(257, 1), "no CUDA kernel takes heads of more than 256 numbers");
        EXPECT_EQ(refusal(256, 65536), "no CUDA kernel takes more than 65535 heads");
    }
}

std::string name_of(const testing::TestParamInfo<CudaConformance::ParamType> & p) {
    return std::string(std::get<0>(p.param)->name) + (std::get<1>(p.param) == QL_COMPUTE_F32 ? "_f32" : "_bf16");
}
INSTANTIATE_TEST_SUITE_P(Operators, CudaConformance,
                         testing::Combine(testing::ValuesIn(kOps), testing::Values(QL_COMPUTE_BF16, QL_COMPUTE_F32)),
                         name_of);

}  // namespace
}  // namespace ql::test
#endif
