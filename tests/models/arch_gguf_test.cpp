// The golden models as GGUF files: keys say what config.json says.
#include "models/golden.hpp"
#include "support/arch_gguf.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

std::unique_ptr<Model> open_gguf(const std::string & path) {
    auto model = open_model(path, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
    EXPECT_TRUE(model.ok()) << model.message();
    return model.ok() ? std::move(model).value() : nullptr;
}

class ArchGguf : public ::testing::TestWithParam<const char *> {
  protected:
    const TemporaryFolder folder_;
    const DevicePtr device_{open_cpu(QL_COMPUTE_F32)};
};

TEST_P(ArchGguf, GivesTheBitsOfTheDirectory) {
    const auto model = open_golden_model(GetParam());
    ASSERT_TRUE(model);
    ArchGgufWriter writer(*model);
    add_rope_scaling(GetParam(), writer);
    writer.add_weights();
    writer.vocabulary();
    const auto again = open_gguf(writer.write(folder_.path("m.gguf")));
    ASSERT_TRUE(again);
    EXPECT_EQ(logits_of(*again, device_.get(), some_tokens()), logits_of(*model, device_.get(), some_tokens()));
}

INSTANTIATE_TEST_SUITE_P(, ArchGguf, ::testing::ValuesIn(kGgufGoldens));

}  // namespace
}  // namespace ql::test
