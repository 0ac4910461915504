// PEFT directories that are refused: methods other than plain LoRA, and files that do not fit the model.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "models/adapters.hpp"
#include "models/peft_folder.hpp"

namespace ql::test {
namespace {

TEST(PeftAdapter, RejectsWhatIsNotPlainLoraForThisModel) {
    struct Row {
        const char * message;
        ql_status code;
        std::function<void(Peft &)> spoil;
    };
    const std::string q = "base_model.model.model.layers.0.self_attn.q_proj.";
    const Row table[] = {
        {"down_proj' has no lora_magnitude_vector, but use_dora is true", QL_BAD_FILE,
         [](Peft & p) { p.config["use_dora"] = true; }},
        {"'use_dora' must be true or false", QL_BAD_FILE, [](Peft & p) { p.config["use_dora"] = 1; }},
        {"trained biases", QL_UNSUPPORTED, [](Peft & p) { p.config["bias"] = "lora_only"; }},
        {"a bias on B", QL_UNSUPPORTED, [](Peft & p) { p.config["lora_bias"] = true; }},
        {"modules_to_save of adapter_config.json names 'lm_head', of which there are no tensors", QL_BAD_FILE,
         [](Peft & p) { p.config["modules_to_save"] = {"lm_head"}; }},
        {"'modules_to_save' must be a list of names", QL_BAD_FILE,
         [](Peft & p) { p.config["modules_to_save"] = "lm_head"; }},
        {"is an embedding that was trained whole (modules_to_save), which an adapter cannot hold; merge it",
         QL_UNSUPPORTED,
         [](Peft & p) {
             p.config["modules_to_save"] = {"lm_head"};
             p.tensors["base_model.model.lm_head.weight"] = {{160, 64}, std::vector<float>(160 * 64, 0.5f)};
         }},
        {"is a whole weight, but modules_to_save of adapter_config.json does not name", QL_BAD_FILE,
         [](Peft & p) {
             p.remove("layers.0.self_attn.o_proj");
             p.tensors["base_model.model.model.layers.0.self_attn.o_proj.weight"] = {{64, 64},
                                                                                     std::vector<float>(64 * 64)};
         }},
        {"is a whole weight, but", QL_BAD_FILE,
         [](Peft & p) {
             p.config["modules_to_save"] = {"o_proj"};
             p.tensors["base_model.model.model.layers.0.self_attn.o_proj.weight"] = {{64, 64},
                                                                                     std::vector<float>(64 * 64)};
         }},
        {"mlp.down_proj.weight' has the shape [64], two dimensions are needed", QL_BAD_FILE,
         [](Peft & p) {
             p.config["modules_to_save"] = {"0.mlp.down_proj"};
             p.remove("layers.0.mlp.down_proj");
             p.tensors["base_model.model.model.layers.0.mlp.down_proj.weight"] = {{64}, std::vector<float>(64)};
         }},
        {"input_layernorm.weight' is [63], but 'blk.0.attn_norm.weight' of the model 'llama' has 64 values",
         QL_BAD_FILE,
         [](Peft & p) {
             p.tensors["base_model.model.model.layers.0.input_layernorm.weight"] = {{63}, std::vector<float>(63)};
         }},
        {"other fields leave it out", QL_UNSUPPORTED, [](Peft & p) { p.config["exclude_modules"] = {"v_proj"}; }},
        {"layers.1.mlp.up_proj' has LoRA matrices", QL_UNSUPPORTED,
         [](Peft & p) { p.config["exclude_modules"] = R"(.*\.1\.mlp\.u.*)"; }},
        {"layers.2.", QL_UNSUPPORTED,
         [](Peft & p) {
             p.config["layers_to_transform"] = {0, 1};
         }},
        {"layers.0.", QL_UNSUPPORTED,
         [](Peft & p) {
             p.config["layers_to_transform"] = {0, 1, 2}, p.config["layers_pattern"] = "h";
         }},
        {"'layers_to_transform' must hold numbers", QL_BAD_FILE,
         [](Peft & p) { p.config["layers_to_transform"] = "0"; }},
        {"down_proj' has a miss_block, but peft_type is LORA", QL_BAD_FILE,
         [](Peft & p) {
             p.tensors["base_model.model.model.layers.0.mlp.down_proj.miss_block"] = {{2, 64}, std::vector<float>(128)};
         }},
        {"has LoRA matrices, but peft_type is MISS", QL_BAD_FILE, [](Peft & p) { p.config["peft_type"] = "MISS"; }},
        {"init_weights 'bat' is a variant of MiSS", QL_UNSUPPORTED,
         [](Peft & p) { p.config["peft_type"] = "MISS", p.config["init_weights"] = "bat"; }},
        {"transposed", QL_UNSUPPORTED, [](Peft & p) { p.config["fan_in_fan_out"] = true; }},
        {"'pissa' changes the base", QL_UNSUPPORTED, [](Peft & p) { p.config["init_lora_weights"] = "pissa"; }},
        {"MonteCLoRA", QL_UNSUPPORTED,
         [](Peft & p) {
             p.config["monteclora_config"] = {{"n", 1}};
         }},
        {"KaSA", QL_UNSUPPORTED,
         [](Peft & p) {
             p.config["kasa_config"] = {{"beta", 1}};
         }},
        {"down_proj' has LoRA matrices, but target_modules", QL_UNSUPPORTED,
         [](Peft & p) {
             p.config["target_modules"] = {"proj", "f_attn.q_pro"};
         }},
        {"but target_modules of adapter_config.json does not name it", QL_UNSUPPORTED,
         [](Peft & p) { p.config["target_modules"] = ".*k_proj"; }},
        {"must hold names", QL_BAD_FILE, [](Peft & p) { p.config["target_modules"] = {1}; }},
        {"'use_new_variant' is switched on (true)", QL_UNSUPPORTED,
         [](Peft & p) { p.config["use_new_variant"] = true; }},
        {"'use_new_variant' is switched on (1)", QL_UNSUPPORTED, [](Peft & p) { p.config["use_new_variant"] = 1; }},
        {"'use_new_variant' is switched on (\"yes\")", QL_UNSUPPORTED,
         [](Peft & p) { p.config["use_new_variant"] = "yes"; }},
        {"'use_new_variant' is switched on ({\"n\":1})", QL_UNSUPPORTED,
         [](Peft & p) {
             p.config["use_new_variant"] = {{"n", 1}};
         }},
        {"'use_rslora' must be true or false, got \"yes\"", QL_BAD_FILE,
         [](Peft & p) { p.config["use_rslora"] = "yes"; }},
        {"'use_qalora' must be true or false, got 1", QL_BAD_FILE, [](Peft & p) { p.config["use_qalora"] = 1; }},
        {"'lora_bias' must be true or false, got \"none\"", QL_BAD_FILE,
         [](Peft & p) { p.config["lora_bias"] = "none"; }},
        {"'fan_in_fan_out' must be true or false, got 0", QL_BAD_FILE,
         [](Peft & p) { p.config["fan_in_fan_out"] = 0; }},
        {"block-diagonal LoRA (use_bdlora: 1)", QL_UNSUPPORTED, [](Peft & p) { p.config["use_bdlora"] = 1; }},
        {"down_proj' has LoRA matrices, but target_modules", QL_UNSUPPORTED,
         [](Peft & p) { p.config["target_modules"] = nullptr; }},
        {"down_proj' has LoRA matrices, but target_modules", QL_UNSUPPORTED,
         [](Peft & p) { p.config.erase("target_modules"); }},
        {"down_proj' has LoRA matrices, but target_modules", QL_UNSUPPORTED,
         [](Peft & p) { p.config["target_modules"] = nlohmann::ordered_json::array(); }},
        {"k_proj' has LoRA matrices, but target_modules", QL_UNSUPPORTED,
         [](Peft & p) { p.config["target_modules"] = nullptr, p.remove("mlp"); }},
        {"target_parameters: [\"mlp.experts.down_proj\"]", QL_UNSUPPORTED,
         [](Peft & p) { p.config["target_parameters"] = {"mlp.experts.down_proj"}; }},
        {"this is an MLX adapter", QL_UNSUPPORTED,
         [](Peft & p) {
             p.config = {{"fine_tune_type", "lora"}, {"num_layers", 16}, {"lora_parameters", {{"rank", 8}}}};
         }},
        {"peft_type 'IA3'", QL_UNSUPPORTED, [](Peft & p) { p.config["peft_type"] = "IA3"; }},
        {"'peft_type' must be a string", QL_BAD_FILE, [](Peft & p) { p.config.erase("peft_type"); }},
        {"'r' must be a finite number", QL_BAD_FILE, [](Peft & p) { p.config.erase("r"); }},
        {"adapter_config.json: 'r' must be a whole number from 1 to 1048576, got 0", QL_BAD_FILE,
         [](Peft & p) { p.config["r"] = 0; }},
        {"'r' must be a whole number from 1 to 1048576, got 4.5", QL_BAD_FILE, [](Peft & p) { p.config["r"] = 4.5; }},
        {"adapter_config.json says that the rank of 'model.layers.0.mlp.down_proj' is 0", QL_BAD_FILE,
         [](Peft & p) {
             p.config["r"] = 0, p.config["rank_pattern"] = {{"q_proj", 4}};
         }},
        {"lora_A has rank 4, lora_B 4, adapter_config.json says 8", QL_BAD_FILE, [](Peft & p) { p.config["r"] = 8; }},
        {"says 2", QL_BAD_FILE,
         [](Peft & p) {
             p.config["rank_pattern"] = {{"k_proj", 2}};
         }},
        {"'lora_alpha' must be a finite number", QL_BAD_FILE, [](Peft & p) { p.config["lora_alpha"] = "8"; }},
        {"the alpha of 'model.layers.0.mlp.down_proj' is 1e+300, which is too large", QL_BAD_FILE,
         [](Peft & p) { p.config["lora_alpha"] = 1e300; }},
        {"'rank_pattern' must be an object", QL_BAD_FILE, [](Peft & p) { p.config["rank_pattern"] = 4; }},
        {"'alpha_pattern' has 5000 patterns, 4096 are possible", QL_BAD_FILE,
         [](Peft & p) {
             for (int i = 0; i < 5000; ++i) p.config["alpha_pattern"]["m" + std::to_string(i)] = 1;
         }},
        {"'q_proj' must be a finite number", QL_BAD_FILE,
         [](Peft & p) {
             p.config["rank_pattern"] = {{"q_proj", "4"}};
         }},
        {"regular expression", QL_BAD_FILE,
         [](Peft & p) {
             p.config["rank_pattern"] = {{"q_(proj", 4}};
         }},
        {"only one of lora_A and lora_B", QL_BAD_FILE, [](Peft & p) { p.remove("0.self_attn.q_proj.lora_B"); }},
        {"only one of lora_A and lora_B", QL_BAD_FILE, [](Peft & p) { p.remove("0.self_attn.q_proj.lora_A"); }},
        {"no matrices", QL_BAD_FILE, [](Peft & p) { p.tensors.clear(); }},
        {"is no part of a LoRA, DoRA or MiSS on a linear layer (LoRA on an embedding", QL_UNSUPPORTED,
         [](Peft & p) {
             p.tensors["base_model.model.model.embed_tokens.lora_embedding_A"] = {{1}, {1}};
         }},
        {"q_proj' has a lora_magnitude_vector, but use_dora is not true", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_magnitude_vector"] = {{64}, std::vector<float>(64)};
         }},
        {"is there under two names", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_magnitude_vector"] = {{64}, std::vector<float>(64)};
             p.tensors[q + "lora_magnitude_vector.weight"] = {{64}, std::vector<float>(64)};
         }},
        {"one dimension is needed", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_magnitude_vector"] = {{1, 64}, std::vector<float>(64)};
         }},
        {"has 63 values, but 'blk.0.attn_q.weight' has 64 rows", QL_BAD_FILE,
         [q](Peft & p) {
             p.config["use_dora"] = true;
             p.remove("v_proj"), p.remove("o_proj"), p.remove("mlp"), p.remove("k_proj");
             p.tensors[q + "lora_magnitude_vector"] = {{63}, std::vector<float>(63)};
         }},
        {"is no part of a LoRA", QL_UNSUPPORTED,
         [](Peft & p) {
             p.tensors["model.layers.0.self_attn.q_proj.lora_A.weight"] = {{1}, {1}};
         }},
        {"is no part of a LoRA", QL_UNSUPPORTED,
         [](Peft & p) {
             p.tensors["base_model.model.lora_A.weight"] = {{1}, {1}};
         }},
        {"module 'model.layers.0.self_attn.qkv_proj' is none", QL_BAD_FILE,
         [](Peft & p) {
             p.tensors["base_model.model.model.layers.0.self_attn.qkv_proj.lora_A.weight"] = {{4, 1}, {1, 1, 1, 1}};
             p.tensors["base_model.model.model.layers.0.self_attn.qkv_proj.lora_B.weight"] = {{1, 4}, {1, 1, 1, 1}};
         }},
        {"the head of the model 'llama' is its embedding, which takes no LoRA", QL_UNSUPPORTED,
         [](Peft & p) {
             p.tensors["base_model.model.lm_head.lora_A.weight"] = {{4, 1}, {1, 1, 1, 1}};
             p.tensors["base_model.model.lm_head.lora_B.weight"] = {{1, 4}, {1, 1, 1, 1}};
         }},
        {"is for a weight [3, 64], but 'blk.0.attn_q.weight' of the model 'llama' is [64, 64]", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_A.weight"] = {{4, 3}, std::vector<float>(12)};
         }},
        {"lora_A has rank 4, lora_B 5", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_B.weight"] = {{64, 5}, std::vector<float>(320)};
         }},
        {"two dimensions are needed", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_B.weight"] = {{256}, std::vector<float>(256)};
         }},
        {"lora_A.weight' has the shape [0, 64], its rank is 0", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_A.weight"] = {{0, 64}, {}};
             p.tensors[q + "lora_B.weight"] = {{64, 0}, {}};
         }},
        {"lora_B.weight' has the shape [64, 0], its rank is 0", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_B.weight"] = {{64, 0}, {}};
         }},
        {"lora_A.weight' has the shape [4, 0], it holds nothing", QL_BAD_FILE,
         [q](Peft & p) {
             p.tensors[q + "lora_A.weight"] = {{4, 0}, {}};
         }},
        {"holds inf at element 3", QL_NON_FINITE,
         [q](Peft & p) { p.tensors[q + "lora_A.weight"].second[3] = INFINITY; }},
    };
    for (const Row & row : table) {
        Peft peft("init");
        row.spoil(peft);
        const auto adapter = load_adapter(peft.write(), llama());
        ASSERT_FALSE(adapter.ok()) << row.message;
        EXPECT_EQ(adapter.code(), row.code) << adapter.message();
        EXPECT_NE(adapter.message().find(row.message), std::string::npos) << row.message << ": " << adapter.message();
        EXPECT_EQ(adapter.message().rfind(peft.folder.path(""), 0), 0u) << adapter.message();
    }
    const Peft sound("init");
    EXPECT_TRUE(load_adapter(sound.write(), llama()).ok()) << load_adapter(sound.write(), llama()).message();
    std::filesystem::create_directory(sound.folder.path("other"));
    std::filesystem::rename(sound.folder.path("adapter_config.json"), sound.folder.path("other/adapter_config.json"));
    const auto named = load_adapter(sound.folder.path(""), llama());
    EXPECT_EQ(named.code(), QL_NOT_FOUND);
    EXPECT_NE(named.message().find("one in a folder of its own: " + sound.folder.path("")), std::string::npos)
        << named.message();
    EXPECT_TRUE(named.message().ends_with("other")) << named.message();
    std::filesystem::remove(sound.folder.path("other") + "/adapter_model.safetensors");
    sound.folder.write("other/adapter_model.bin", "");
    const auto pickle = load_adapter(sound.folder.path("other"), llama());
    EXPECT_NE(pickle.message().find("adapter_model.bin: a pickle"), std::string::npos) << pickle.message();
    TemporaryFolder empty;
    EXPECT_EQ(load_adapter(empty.path(""), llama()).code(), QL_NOT_FOUND);
}

TEST(PeftAdapter, TakesModulesHoweverTargetModulesNamesThem) {
    using Json = nlohmann::ordered_json;
    for (const Json & targets : {Json("all-linear"), Json(".*_proj"), Json("model.*attn.q_proj|.*"),
                                 Json({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}),
                                 Json({"self_attn.q_proj", "proj", "layers.0.self_attn.q_proj", "mlp.down_proj"})}) {
        Peft peft("init");
        peft.config["target_modules"] = targets;
        const bool all = !targets.is_array() || targets.size() == 7;
        const auto adapter = load_adapter(peft.write(), llama());
        EXPECT_EQ(adapter.ok(), all) << targets << adapter.message();
    }
}

/// PEFT's own choice for a llama.
TEST(PeftAdapter, TakesQAndVWhereTargetModulesIsNull) {
    const auto kept = [](const std::string & more) {
        Peft peft("init");
        peft.config["target_modules"] = nullptr;
        std::erase_if(peft.tensors, [&](const auto & t) {
            const auto has = [&](const std::string & part) { return t.first.find(part) != t.first.npos; };
            return !has("q_proj") && !has("v_proj") && !has(more);
        });
        return load_adapter(peft.write(), llama());
    };
    const auto both = kept("q_proj");
    ASSERT_TRUE(both.ok()) << both.message();
    EXPECT_TRUE(both->notes.empty());
    for (const LoraMatrix & m : both->matrices)
        EXPECT_TRUE(m.weight.ends_with("attn_q.weight") || m.weight.ends_with("attn_v.weight")) << m.weight;
    EXPECT_FALSE(kept("o_proj").ok());
    Peft none("init");  // an empty list names nothing, and what target_parameters names is there all the same
    none.config["target_modules"] = nlohmann::ordered_json::array();
    none.config["target_parameters"] = {"q_proj.weight"};
    std::erase_if(none.tensors, [](const auto & t) { return t.first.find("q_proj") == t.first.npos; });
    const auto parameters = load_adapter(none.write(), llama());
    EXPECT_TRUE(parameters.ok()) << parameters.message();
}

TEST(PeftAdapter, TakesWhatLeavesTheForwardPassAlone) {
    Peft peft("init");
    peft.config["init_lora_weights"] = "mica";
    peft.config["velora_config"] = {{"num_groups", 4}, {"scale", 1.0}};
    peft.config["kasa_config"] = nullptr;
    peft.config["qalora_group_size"] = 16;
    peft.config["peft_version"] = "0.21.2";
    const Peft plain("init");
    peft.tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_velora_embed"] = {{16}, std::vector<float>(16)};
    const auto adapter = load_adapter(peft.write(), llama());
    ASSERT_TRUE(adapter.ok()) << adapter.message();
    expect_identical(*adapter, load_adapter(plain.write(), llama()).value());
}

TEST(PeftAdapter, RejectsRowsOfTokensThatDoNotFit) {
    const std::string end = ".token_adapter.trainable_tokens_delta",
                      embedding = "base_model.model.model.embed_tokens" + end;
    const std::pair<std::vector<int64_t>, std::vector<float>> two = {{2, 64}, std::vector<float>(128, 0.5f)};
    struct Row {
        const char * message;
        nlohmann::ordered_json tokens;
        std::string tensor;
        std::pair<std::vector<int64_t>, std::vector<float>> values;
    };
    const Row table[] = {
        {"has tokens of 1 modules, the tensors are of 0", {1, 2}, "", {}},
        {"trainable_token_indices has no tokens of this module", nullptr, embedding, two},
        {"trainable_token_indices has no tokens of this module", {{"lm_head", {1, 2}}}, embedding, two},
        {"has the shape [2, 64], trainable_token_indices has 3 tokens", {1, 2, 3}, embedding, two},
        {"names token 7 twice", {7, 7}, embedding, two},
        {"token 160; 0 to 159 are possible", {1, 160}, embedding, two},
        {"must hold tokens' numbers", {1, "a"}, embedding, two},
        {"must hold tokens' numbers", {1, -1}, embedding, two},
        {"must hold lists of tokens", {{"embed_tokens", 1}}, embedding, two},
        {"must hold lists of tokens", 5, embedding, two},
        {"have 32 values, those of the model 'llama' have 64", {1, 2}, embedding, {{2, 32}, std::vector<float>(64)}},
        {"the head of the model 'llama' is its embedding",
         {{"lm_head", {1, 2}}},
         "base_model.model.lm_head" + end,
         two},
        {"only embedding and head have rows",
         {{"q_proj", {1, 2}}},
         "base_model.model.model.layers.0.self_attn.q_proj" + end,
         two},
    };
    for (const Row & row : table) {
        Peft peft("init");
        peft.config["trainable_token_indices"] = row.tokens;
        if (!row.tensor.empty()) peft.tensors[row.tensor] = row.values;
        const auto adapter = load_adapter(peft.write(), llama());
        ASSERT_FALSE(adapter.ok()) << row.message;
        EXPECT_EQ(adapter.code(), QL_BAD_FILE) << adapter.message();
        EXPECT_NE(adapter.message().find(row.message), std::string::npos) << row.message << ": " << adapter.message();
        EXPECT_EQ(adapter.message().rfind(peft.folder.path(""), 0), 0u) << adapter.message();
    }
}

}  // namespace
}  // namespace ql::test
