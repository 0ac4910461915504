// adapter_config.json: fields that are kept, and notices.
#include <gtest/gtest.h>

#include "models/adapters.hpp"
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
    for (const char * fields : {R"({"use_new_variant":true})", R"({"use_qalora":true})", R"({"lora_bias":true})",
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

}  // namespace
}  // namespace ql::test
