// Architectures against what transformers computes (tests/golden/arch).
#include "models/golden.hpp"

namespace ql::test {
namespace {

class ArchGolden : public ::testing::TestWithParam<const char *> {};

TEST_P(ArchGolden, LogitsEqualTransformers) {
    const auto model = open_golden_model(GetParam());
    ASSERT_TRUE(model);
    const SafeTensors expected =
        SafeTensors::open(golden_path(std::string("arch/") + GetParam() + "/expected.safetensors"));
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const std::vector<float> logits = logits_of(*model, device.get(), expected.i32("input_ids"));
    const double error = nmse(logits, expected.f32("logits"));
    RecordProperty("nmse", std::to_string(error));
    EXPECT_LE(error, 1e-9);
}

INSTANTIATE_TEST_SUITE_P(, ArchGolden, ::testing::Values("llama", "llama3_rope", "llama_bias"));

}  // namespace
}  // namespace ql::test
