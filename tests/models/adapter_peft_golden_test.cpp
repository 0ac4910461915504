// Adapters that PEFT saved (tests/golden/lora/NAME: make_peft_adapters.py), and PEFT's logits with them.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "models/adapter/kinds/kind.hpp"
#include "models/adapters.hpp"
#include "models/infer/session.hpp"
#include "support/safetensors.hpp"
#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

std::vector<float> last_logits(const Adapter & adapter, ql_device * device, const std::vector<int32_t> & ids) {
    const std::vector<AppliedAdapter> applied = {{&adapter, 1.0f}};
    auto session = Session::create(llama(), device, applied, 64, QL_F32);
    EXPECT_TRUE(session.ok()) << session.message();
    if (!session.ok() || !(*session)->eval(ids).ok()) return {};
    const auto values = (*session)->logits();
    return {values.begin(), values.end()};
}

class PeftGolden : public ::testing::TestWithParam<const char *> {
  protected:
    const std::string folder_ = golden_path(std::string("lora/") + GetParam());
    const TemporaryFolder made_;
};

TEST_P(PeftGolden, ComputesWhatPeftDoes) {
    const auto adapter = load_adapter(folder_, llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    const auto figures = SafeTensors::open(folder_ + "/logits.safetensors");
    const std::vector<int32_t> ids = figures.i32("ids");
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const std::vector<float> want = figures.f32("logits"), base = figures.f32("base_logits");
    ASSERT_GT(nmse(base, want), 1e-3) << "the adapter changes the logits";
    ASSERT_TRUE(save_peft(*adapter, llama(), made_.path("p")).ok());
    ASSERT_TRUE(save_adapter(*adapter, llama(), made_.path("a.gguf")).ok());
    for (const std::string & path : {folder_, made_.path("p"), made_.path("a.gguf")}) {
        const std::vector<float> got = last_logits(load_adapter(path, llama()).value(), device.get(), ids);
        ASSERT_EQ(got.size(), want.size());
        double worst = 0;
        for (size_t i = 0; i < got.size(); ++i)
            worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
        EXPECT_LE(worst, 1e-4) << path;
    }
}

TEST_P(PeftGolden, IsTheSameFileFromGgufToPeftAndBack) {
    ASSERT_TRUE(save_adapter(load_adapter(folder_, llama()).value(), llama(), made_.path("a.gguf")).ok());
    ASSERT_TRUE(save_peft(load_adapter(made_.path("a.gguf"), llama()).value(), llama(), made_.path("p")).ok());
    ASSERT_TRUE(save_adapter(load_adapter(made_.path("p"), llama()).value(), llama(), made_.path("b.gguf")).ok());
    EXPECT_EQ(read_all(made_.path("a.gguf")), read_all(made_.path("b.gguf")));
}

/// PEFT's own tensors, value by value; but a linear that was trained whole comes back as a LoRA.
TEST_P(PeftGolden, WritesTheTensorsThatPeftWrote) {
    ASSERT_TRUE(save_peft(load_adapter(folder_, llama()).value(), llama(), made_.path("p")).ok());
    const auto theirs = SafeTensors::open(folder_ + "/adapter_model.safetensors");
    const auto ours = SafeTensors::open(made_.path("p/adapter_model.safetensors"));
    for (const std::string & name : theirs.names()) {
        if (name.ends_with("_proj.weight")) continue;
        EXPECT_EQ(ours.shape(name), theirs.shape(name)) << name;
        EXPECT_EQ(ours.f32(name), theirs.f32(name)) << name;
    }
}

INSTANTIATE_TEST_SUITE_P(, PeftGolden,
                         ::testing::Values("patterns", "peft-dora", "peft-miss", "peft-whole", "peft-parameters"),
                         [](const auto & param) {
                             const std::string name = param.param;
                             return name.substr(name.find('-') + 1);
                         });

Adapter golden_adapter(const char * name) {
    return load_adapter(golden_path(std::string("lora/") + name), llama()).value();
}

TEST(PeftAdapter, RanksAndScalesArePeftsWithPatternsAndRslora) {
    std::set<int64_t> ranks;
    std::set<float> scales;
    const Adapter adapter = golden_adapter("patterns");
    for (const LoraMatrix & m : adapter.matrices) ranks.insert(m.r), scales.insert(m.scale);
    EXPECT_EQ(ranks, (std::set<int64_t>{2, 3, 4}));
    EXPECT_GE(scales.size(), 4u);
}

TEST(PeftAdapter, KindsComeOver) {
    for (const auto & [name, kind] : {std::pair("peft-dora", LoraKind::dora), {"peft-miss", LoraKind::miss}})
        for (const LoraMatrix & m : golden_adapter(name).matrices) EXPECT_EQ(m.kind, kind) << name;
    EXPECT_EQ(golden_adapter("peft-dora").norms.size(), 4u);  // one a layer, and the last
    EXPECT_EQ(golden_adapter("peft-whole").norms.size(), 7u);
}

TEST(PeftAdapter, AWholeLinearIsTheLoraOfTheDifference) {
    const Adapter adapter = golden_adapter("peft-whole");
    ASSERT_EQ(adapter.notes.size(), 2u);
    EXPECT_EQ(
        adapter.notes[0],
        "'model.layers.1.mlp.down_proj' was trained whole: held as what it adds to the base's, a LoRA of rank 64");
    const LoraMatrix *down = find(adapter, "blk.1.ffn_down.weight"), *k = find(adapter, "blk.2.attn_k.weight");
    ASSERT_TRUE(down && k);
    EXPECT_EQ(down->r, 64);  // [128, 64]
    EXPECT_EQ(k->r, 32);     // [64, 32]
    EXPECT_EQ(k->scale, 1);
}

/// The first layer's weights in a list, by their names in PEFT; layers have numbers, and the name of a weight its own
/// pattern.
TEST(PeftAdapter, ParametersThatAreNoMatricesAreRefused) {
    const Adapter adapter = golden_adapter("peft-parameters");
    EXPECT_EQ(find(adapter, "blk.0.attn_q.weight")->r, 2);
    EXPECT_EQ(find(adapter, "blk.2.ffn_up.weight")->r, 4) << "patterns know it as up_proj.weight";
    EXPECT_EQ(find(adapter, "blk.1.ffn_up.weight"), nullptr);
    EXPECT_EQ(adapter.matrices.size(), 3u + 3u + 1u);
}

TEST(PeftAdapter, AMissOfSeveralRanksIsNotWritten) {
    Adapter adapter = golden_adapter("peft-miss");
    LoraMatrix & m = adapter.matrices[1];
    m.r = 3;
    def_of(LoraKind::miss).fill(m, {});
    m.b.resize(static_cast<size_t>(m.m * m.r));
    const TemporaryFolder folder;
    const Status saved = save_peft(adapter, llama(), folder.path("p"));
    EXPECT_EQ(saved.code(), QL_UNSUPPORTED);
    EXPECT_NE(saved.message().find("PEFT's MissConfig has one rank for all; 'ql-adapter resize"), std::string::npos)
        << saved.message();
    EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace ql::test
