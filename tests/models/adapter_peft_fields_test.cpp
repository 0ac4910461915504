// adapter_config.json: fields that are kept, patterns of rank and alpha, and what PEFT itself computes with them.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "models/adapters.hpp"
#include "models/infer/session.hpp"
#include "models/peft_folder.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

TEST(PeftAdapter, UnknownFieldsAreKeptWithANotice) {
    Peft peft("init");
    peft.config["some_new_field"] = {{"x", {1, 2.5, "z"}}};
    peft.config["another"] = "text";
    peft.config["says_nothing"] = nullptr;
    peft.config["use_nothing_new"] = false;
    peft.config["peft_version"] = "0.21.2";
    const auto adapter = load_adapter(peft.write(), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    ASSERT_EQ(adapter->notes.size(), 2u);
    EXPECT_NE(adapter->notes[0].find("'some_new_field' ({\"x\":[1,2.5,\"z\"]}) is not known here: kept, not followed"),
              std::string::npos)
        << adapter->notes[0];
    const Peft plain("init");
    expect_identical(*adapter, load_adapter(plain.write(), llama()).value());
    TemporaryFolder folder;
    ASSERT_TRUE(save_adapter(*adapter, llama(), folder.path("a.gguf")).ok());
    const Adapter from_gguf = load_adapter(folder.path("a.gguf"), llama()).value();
    ASSERT_TRUE(save_peft(from_gguf, llama(), folder.path("p")).ok());
    const auto config = Json::parse(read_all(folder.path("p/adapter_config.json")));
    EXPECT_EQ(config["some_new_field"], peft.config["some_new_field"]);
    EXPECT_EQ(config["another"], "text");
    EXPECT_FALSE(config.contains("says_nothing"));
    EXPECT_EQ(load_adapter(folder.path("p"), llama())->notes.size(), 2u);
}

TEST(PeftAdapter, LimitsUnknownFields) {
    Peft peft("init");
    for (int i = 0; i < 40; ++i) peft.config["field" + std::to_string(i)] = i + 1;
    const auto adapter = load_adapter(peft.write(), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    ASSERT_EQ(adapter->notes.size(), 17u);
    EXPECT_EQ(adapter->notes.back(), "adapter_config.json: and 24 more fields");
    peft.config["long"] = std::string(1 << 20, 'x');
    EXPECT_EQ(load_adapter(peft.write(), llama()).code(), QL_BAD_FILE);
}

/// A GGUF file may come from anyone: its fields must be those of no setting that is known, or that switches something on.
TEST(PeftAdapter, NothingIsWrittenWithFieldsThatAreSettings) {
    TemporaryFolder folder;
    Adapter adapter = filled(2, "attn_q");
    for (const char * fields : {R"({"use_new_variant":true})", R"({"use_qalora":true})", R"({"lora_bias":1})",
                                R"({"layer_replication":[[0,1]]})"}) {
        adapter.origin.peft = fields;
        const Status saved = save_peft(adapter, llama(), folder.path("p"));
        EXPECT_EQ(saved.code(), QL_UNSUPPORTED) << fields << saved.message();
        EXPECT_TRUE(folder.names().empty()) << fields;
    }
    adapter.origin.peft = R"({"r":99,"new":1})";  // what the adapter itself decides is not overwritten
    EXPECT_TRUE(save_peft(adapter, llama(), folder.path("p")).ok());
}

TEST(PeftAdapter, NamesTargetsWithoutTensors) {
    Peft peft("init");
    peft.config["target_modules"] = {"q_proj",    "k_proj",  "v_proj",    "o_proj",
                                     "gate_proj", "up_proj", "down_proj", "fc1"};
    const auto adapter = load_adapter(peft.write(), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    ASSERT_EQ(adapter->notes.size(), 1u);
    EXPECT_NE(adapter->notes[0].find("target_modules names 'fc1'"), std::string::npos) << adapter->notes[0];
}

std::vector<float> last_logits(const Adapter & adapter, ql_device * device, const std::vector<int32_t> & ids) {
    const std::vector<AppliedAdapter> applied = {{&adapter, 1.0f}};
    auto session = Session::create(llama(), device, applied, 64, QL_F32);
    EXPECT_TRUE(session.ok()) << session.message();
    if (!session.ok() || !(*session)->eval(ids).ok()) return {};
    const auto values = (*session)->logits();
    return {values.begin(), values.end()};
}

/// golden/lora/patterns: an adapter that PEFT saved, with rank_pattern, alpha_pattern and use_rslora; and PEFT's logits.
TEST(PeftAdapter, ComputesWhatPeftDoesWithPatternsAndRslora) {
    const std::string golden = golden_path("lora/patterns");
    const auto adapter = load_adapter(golden, llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    std::set<int64_t> ranks;
    std::set<float> scales;
    for (const LoraMatrix & m : adapter->matrices) ranks.insert(m.r), scales.insert(m.scale);
    EXPECT_EQ(ranks, (std::set<int64_t>{2, 3, 4}));
    EXPECT_GE(scales.size(), 4u);
    const auto figures = SafeTensors::open(golden + "/logits.safetensors");
    const std::vector<int32_t> ids = figures.i32("ids");
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    const std::vector<float> want = figures.f32("logits"), base = figures.f32("base_logits");
    ASSERT_GT(nmse(base, want), 1e-3) << "the adapter changes the logits";
    TemporaryFolder folder;
    ASSERT_TRUE(save_peft(*adapter, llama(), folder.path("p")).ok());
    ASSERT_TRUE(save_adapter(*adapter, llama(), folder.path("a.gguf")).ok());
    for (const std::string & path : {golden, folder.path("p"), folder.path("a.gguf")}) {
        const std::vector<float> got = last_logits(load_adapter(path, llama()).value(), device.get(), ids);
        ASSERT_EQ(got.size(), want.size());
        double worst = 0;
        for (size_t i = 0; i < got.size(); ++i)
            worst = std::max(worst, std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i])));
        EXPECT_LE(worst, 1e-4) << path;
    }
}

}  // namespace
}  // namespace ql::test
