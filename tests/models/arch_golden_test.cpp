// Architectures against what transformers computes (tests/golden/arch).
#include "models/golden.hpp"

namespace ql::test {
namespace {

std::vector<float> logits_of(const Model & model, ql_device * device, const std::vector<int32_t> & ids) {
    const auto n = static_cast<int64_t>(ids.size());
    ql_graph * g = nullptr;
    EXPECT_EQ(ql_graph_create(&g), QL_OK);
    const GraphPtr graph(g);
    GraphBuilder b(model, g);
    const StreamInputs & in = b.start_stream(n);
    ql_tensor * logits = ql_mul_mat(g, b.head(), b.hidden());
    ql_plan * p = nullptr;
    EXPECT_EQ(ql_plan_create(g, device, &logits, 1, &p), QL_OK) << ql_error_message();
    if (!p) return {};
    const PlanPtr plan(p);
    std::vector<int32_t> positions, span;
    for (int32_t i = 0; i < n; ++i) positions.push_back(i), span.insert(span.end(), {0, i + 1});
    EXPECT_EQ(ql_tensor_write(in.tokens, ids.data(), 0, ids.size() * 4), QL_OK);
    EXPECT_EQ(ql_tensor_write(in.positions, positions.data(), 0, positions.size() * 4), QL_OK);
    EXPECT_EQ(ql_tensor_write(in.span, span.data(), 0, span.size() * 4), QL_OK);
    EXPECT_EQ(ql_plan_run(p), QL_OK);
    std::vector<float> values(static_cast<size_t>(ql_tensor_elements(logits)));
    EXPECT_EQ(ql_tensor_read(logits, values.data(), 0, values.size() * 4), QL_OK) << ql_error_message();
    return values;
}

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

INSTANTIATE_TEST_SUITE_P(, ArchGolden, ::testing::Values("llama", "llama3_rope"));

}  // namespace
}  // namespace ql::test
