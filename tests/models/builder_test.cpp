// Pieces that architectures build their graphs with.
#include "models/golden.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

/// x, rotated by each of the ropes on its own, in one stream.
std::vector<std::vector<float>> rotated(const Model & model, const std::vector<Rope> & ropes) {
    constexpr int64_t n_tokens = 9, n_head = 4;
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    ql_graph * g = nullptr;
    EXPECT_EQ(ql_graph_create(&g), QL_OK);
    const GraphPtr graph(g);
    GraphBuilder b(model, g);
    const StreamInputs & in = b.start_stream(n_tokens);
    const int64_t ne[] = {n_head * model.hparams().head_dim, n_tokens};
    ql_tensor * x = ql_input(g, "x", QL_F32, 2, ne);
    std::vector<ql_tensor *> outputs;
    for (const Rope & rope : ropes) outputs.push_back(b.rotate(x, n_head, rope));
    ql_plan * p = nullptr;
    EXPECT_EQ(ql_plan_create(g, device.get(), outputs.data(), static_cast<int>(outputs.size()), &p), QL_OK)
        << ql_error_message();
    const PlanPtr plan(p);
    std::vector<int32_t> positions;
    for (int32_t i = 0; i < n_tokens; ++i) positions.push_back(3 * i);
    std::vector<float> values;
    for (int64_t i = 0; i < ne[0] * ne[1]; ++i) values.push_back(std::sin(static_cast<float>(i)));
    EXPECT_EQ(ql_tensor_write(in.positions, positions.data(), 0, positions.size() * 4), QL_OK);
    EXPECT_EQ(ql_tensor_write(x, values.data(), 0, values.size() * 4), QL_OK);
    EXPECT_EQ(ql_plan_run(p), QL_OK) << ql_error_message();
    std::vector<std::vector<float>> results;
    for (ql_tensor * output : outputs) {
        EXPECT_EQ(ql_plan_read(p, output, values.data(), 0, values.size() * 4), QL_OK) << ql_error_message();
        results.push_back(values);
    }
    return results;
}

TEST(GraphBuilder, AStreamMayRotateInSeveralWays) {
    const TemporaryFolder folder;
    const auto model =
        open_model(write_tiny_model(folder.path("m.gguf")), {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    ASSERT_TRUE(model.ok()) << model.message();
    const Rope global = (*model)->hparams().rope;
    Rope local = global, scaled = global;
    local.base = 100.0f;
    scaled.scale = 0.125f;
    const auto together = rotated(**model, {global, local, scaled, global});
    EXPECT_EQ(together[3], together[0]);
    EXPECT_EQ(together[0], rotated(**model, {global})[0]);
    EXPECT_EQ(together[1], rotated(**model, {local})[0]);
    EXPECT_EQ(together[2], rotated(**model, {scaled})[0]);
    EXPECT_GT(nmse(together[1], together[0]), 1e-3);
    EXPECT_GT(nmse(together[2], together[0]), 1e-3);
}

}  // namespace
}  // namespace ql::test
