// PEFT directories: read with rows in GGUF's order, and written as PEFT writes them.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "models/adapters.hpp"
#include "models/hf/rope_order.hpp"
#include "models/peft_folder.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

TEST(PeftAdapter, ReadsGoldenAdapterWithRowsInGgufOrder) {
    const Peft peft("final");
    ASSERT_EQ(peft.tensors.size(), 42u);
    const auto adapter = load_adapter(peft.write(), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    EXPECT_EQ(adapter->matrices.size(), 21u);
    EXPECT_EQ(adapter->base_name, "some/llama");
    const std::string layer = "final.model.layers.1.self_attn.";
    for (const auto & [weight, module] : std::map<std::string, std::string>{
             {"attn_q", "q_proj"}, {"attn_k", "k_proj"}, {"attn_v", "v_proj"}, {"attn_output", "o_proj"}}) {
        const LoraMatrix * m = find(*adapter, "blk.1." + weight + ".weight");
        ASSERT_NE(m, nullptr);
        EXPECT_EQ(m->scale, 2.0f);
        EXPECT_EQ(m->r, 4);
        EXPECT_EQ(m->a, peft.golden.f32(layer + module + ".lora_A.weight"));
        const std::vector<float> b = peft.golden.f32(layer + module + ".lora_B.weight");
        const bool permuted = weight == "attn_q" || weight == "attn_k";
        for (int64_t row = 0; row < m->m; ++row) {
            const int64_t at = permuted ? gguf_row_of_hf_row(row, 16) : row;
            for (int64_t j = 0; j < 4; ++j)
                ASSERT_EQ(m->b[static_cast<size_t>(at * 4 + j)], b[static_cast<size_t>(row * 4 + j)])
                    << weight << " " << row;
        }
    }
}

TEST(PeftAdapter, RoundTripsThroughGgufExactly) {
    const Peft peft("final");
    const std::string golden_directory = peft.write();
    TemporaryFolder folder;
    const Adapter first = load_adapter(golden_directory, llama()).value();
    ASSERT_TRUE(save_adapter(first, llama(), folder.path("a.gguf")).ok());
    const Adapter second = load_adapter(folder.path("a.gguf"), llama()).value();
    expect_identical(first, second);
    const Status saved = save_peft(second, llama(), folder.path("new/peft"));
    ASSERT_TRUE(saved.ok()) << saved.message();
    expect_identical(first, load_adapter(folder.path("new/peft"), llama()).value());
    const auto written = SafeTensors::open(folder.path("new/peft/adapter_model.safetensors"));
    EXPECT_EQ(written.names().size(), 42u);
    for (const auto & [name, t] : peft.tensors) {
        EXPECT_EQ(written.shape(name), t.first) << name;
        EXPECT_EQ(written.f32(name), t.second) << name;  // as PEFT wrote it: rows of q and k are back in its order
    }
    const auto config = Json::parse(read_all(folder.path("new/peft/adapter_config.json")));
    EXPECT_EQ(config["r"], 4);
    EXPECT_EQ(config["lora_alpha"], 8);
    EXPECT_EQ(config["target_modules"],
              Json({"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"}));
}

/// Nothing of the adapter that was there is left beside the new one, and what is not an adapter's stays.
TEST(PeftAdapter, TakesThePlaceOfAnother) {
    const Peft peft("final");
    TemporaryFolder folder;
    const std::string directory = folder.path("peft");
    Adapter adapter = load_adapter(peft.write(), llama()).value();
    adapter.chat_template = "{{ messages[0].content }}";
    ASSERT_TRUE(save_peft(adapter, llama(), directory).ok());
    EXPECT_EQ(load_adapter(directory, llama()).value().chat_template, adapter.chat_template);
    folder.write("peft/README.md", "mine");
    adapter.chat_template.clear();
    ASSERT_TRUE(save_peft(adapter, llama(), directory).ok());
    EXPECT_EQ(load_adapter(directory, llama()).value().chat_template, "");
    EXPECT_EQ(read_all(folder.path("peft/README.md")), "mine");
    folder.write("peft/tokenizer_config.json", R"({"chat_template": "another's"})");
    EXPECT_EQ(save_peft(adapter, llama(), directory).code(), QL_INVALID_ARGUMENT) << "it would be read with that";
}

TEST(PeftAdapter, IsWrittenThroughLinks) {
    const Peft peft("final");
    TemporaryFolder folder;
    const Adapter adapter = load_adapter(peft.write(), llama()).value();
    for (const char * name : {"peft", "real"}) std::filesystem::create_directory(folder.path(name));
    folder.write("real/config.json", "{}");
    std::filesystem::create_symlink(folder.path("real/config.json"), folder.path("peft/adapter_config.json"));
    const Status saved = save_peft(adapter, llama(), folder.path("peft"));
    EXPECT_TRUE(saved.ok()) << saved.message();
    EXPECT_TRUE(std::filesystem::is_symlink(folder.path("peft/adapter_config.json")));
    expect_identical(adapter, load_adapter(folder.path("peft"), llama()).value());
}

/// Weights that cannot be written leave the adapter that is there as it was.
TEST(PeftAdapter, ThatCannotBeWrittenChangesNothing) {
    const Peft peft("final");
    TemporaryFolder folder;
    const std::string directory = folder.path("peft"), weights = "peft/adapter_model.safetensors";
    Adapter adapter = load_adapter(peft.write(), llama()).value();
    ASSERT_TRUE(save_peft(adapter, llama(), directory).ok());
    const std::string config = read_all(directory + "/adapter_config.json");
    std::filesystem::remove(folder.path(weights));
    std::filesystem::create_directory(folder.path(weights));  // no file can take its name
    adapter.matrices[0].scale *= 3;
    EXPECT_FALSE(save_peft(adapter, llama(), directory).ok());
    EXPECT_EQ(read_all(directory + "/adapter_config.json"), config);
}

TEST(PeftAdapter, ExportKeepsEveryRankAndScale) {
    TemporaryFolder folder;
    Adapter adapter = filled(3, "attn_q");
    adapter.chat_template = "{{ x }}";
    for (const LoraMatrix & m : filled(5, R"(^blk\.1\.ffn_up)").matrices) adapter.matrices.push_back(m);
    adapter.matrices[1].scale = 0.3f;
    ASSERT_TRUE(save_peft(adapter, llama(), folder.path("p")).ok());
    const auto loaded = load_adapter(folder.path("p"), llama());
    ASSERT_TRUE(loaded.ok()) << loaded.message();
    EXPECT_EQ(loaded->chat_template, "{{ x }}");
    for (const LoraMatrix & m : adapter.matrices) {
        const LoraMatrix * other = find(*loaded, m.weight);
        ASSERT_NE(other, nullptr);
        EXPECT_EQ(other->r, m.r);
        EXPECT_EQ(other->scale, m.scale) << m.weight;
        EXPECT_EQ(other->a, m.a);
        EXPECT_EQ(other->b, m.b);
    }
    const auto config = Json::parse(read_all(folder.path("p/adapter_config.json")));
    EXPECT_EQ(config["target_modules"], Json({"q_proj", "model.layers.1.mlp.up_proj"}));
    EXPECT_EQ(config["rank_pattern"], Json({{"model.layers.1.mlp.up_proj", 5}}));
}

TEST(PeftAdapter, PatternsAndRsloraSetTheScale) {
    Peft peft("init");
    peft.config["alpha_pattern"] = {
        {"q_proj", 16}, {"layers.1.self_attn.q_proj", 99}, {"^model.layers.2.mlp.up_proj", 2}, {"layers.0.mlp", 77}};
    const auto adapter = load_adapter(peft.write(), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    EXPECT_EQ(find(*adapter, "blk.1.attn_q.weight")->scale, 4.0f);  // the first pattern that matches counts
    EXPECT_EQ(find(*adapter, "blk.2.ffn_up.weight")->scale, 0.5f);
    EXPECT_EQ(find(*adapter, "blk.0.ffn_up.weight")->scale, 2.0f);  // a pattern must reach the end of the path
    peft.config["use_rslora"] = true;
    EXPECT_EQ(find(*load_adapter(peft.write(), llama()), "blk.0.ffn_up.weight")->scale, 4.0f);
}

}  // namespace
}  // namespace ql::test
