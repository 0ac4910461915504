// config.json: shapes, RoPE kinds, and what cannot be computed.
#include <gtest/gtest.h>

#include <cmath>

#include "models/load/read_hf_config.hpp"
#include "support/temporary_folder.hpp"

namespace ql {
namespace {

using Json = nlohmann::ordered_json;

Json tiny() {
    return {{"model_type", "llama"},    {"hidden_size", 24},        {"num_hidden_layers", 2},
            {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"intermediate_size", 40},
            {"vocab_size", 19},         {"rms_norm_eps", 1e-5},     {"max_position_embeddings", 100}};
}

Result<HfModel> read(const Json & json) {
    test::TemporaryFolder folder;
    QL_ASSIGN(const JsonFile file, JsonFile::open(folder.write("config.json", json.dump())));
    return read_hf_config(file);
}

TEST(HfConfig, ReadsShape) {
    const auto c = read(tiny());
    ASSERT_TRUE(c.ok()) << c.message();
    EXPECT_EQ(c->hparams.arch, "llama");
    EXPECT_EQ(c->hparams.n_embd, 24);
    EXPECT_EQ(c->hparams.n_layer(), 2);
    EXPECT_EQ(c->hparams.layer(1).n_head, 4);
    EXPECT_EQ(c->hparams.layer(1).n_head_kv, 2);
    EXPECT_EQ(c->hparams.head_dim, 6);
    EXPECT_EQ(c->hparams.rope.n_rot, 6);
    EXPECT_EQ(c->hparams.layer(1).n_ff, 40);
    EXPECT_EQ(c->hparams.n_vocab, 19);
    EXPECT_EQ(c->hparams.n_ctx, 100);
    EXPECT_EQ(c->hparams.rms_eps, 1e-5f);
    EXPECT_EQ(c->hparams.rope.base, 10000.0f);
    EXPECT_EQ(c->hparams.rope.scale, 1.0f);
    EXPECT_EQ(c->hparams.rope.mode, QL_ROPE_NORMAL);
    EXPECT_EQ(c->config.head, HfConfig::Head::unsaid);
}

TEST(HfConfig, HeadLengthAndHeadsHaveDefaults) {
    Json json = tiny();
    json.erase("num_key_value_heads");
    json["head_dim"] = 8;
    json["tie_word_embeddings"] = true;
    const auto c = read(json);
    ASSERT_TRUE(c.ok()) << c.message();
    EXPECT_EQ(c->hparams.layer(1).n_head_kv, 4);
    EXPECT_EQ(c->hparams.head_dim, 8);
    EXPECT_EQ(c->config.head, HfConfig::Head::tied);
}

TEST(HfConfig, ReadsRopeInEveryPlace) {
    Json top = tiny(), parameters = tiny(), scaling = tiny(), old = tiny();
    top["rope_theta"] = 5000.0;
    top["rope_scaling"] = nullptr;
    parameters["rope_parameters"] = {{"rope_theta", 7000.0}, {"rope_type", "linear"}, {"factor", 4.0}};
    scaling["rope_theta"] = 8000;
    scaling["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2.0}};
    old["rope_scaling"] = {{"type", "linear"}, {"factor", 8.0}};
    EXPECT_EQ(read(top)->hparams.rope.base, 5000.0f);
    EXPECT_EQ(read(parameters)->hparams.rope.base, 7000.0f);
    EXPECT_EQ(read(parameters)->hparams.rope.scale, 0.25f);
    EXPECT_EQ(read(scaling)->hparams.rope.base, 8000.0f);
    EXPECT_EQ(read(scaling)->hparams.rope.scale, 0.5f);
    EXPECT_EQ(read(old)->hparams.rope.scale, 0.125f);
    EXPECT_TRUE(read(old)->hparams.rope.divisors.empty());
}

TEST(HfConfig, Llama3FactorsKeepShortWavesAndStretchLongOnes) {
    Json json = tiny();
    json["head_dim"] = 128;
    json["rope_theta"] = 500000.0;
    json["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 8.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
    const auto c = read(json);
    ASSERT_TRUE(c.ok()) << c.message();
    const std::vector<float> & f = c->hparams.rope.divisors;
    ASSERT_EQ(f.size(), 64u);
    // Llama 3.1's rope_freqs.weight: 1 up to element 28, 8 from 36, smooth between
    EXPECT_EQ(f[0], 1.0f);
    EXPECT_EQ(f[28], 1.0f);
    EXPECT_GT(f[29], 1.0f);
    EXPECT_LT(f[34], 8.0f);
    EXPECT_EQ(f[35], 8.0f);
    EXPECT_EQ(f[63], 8.0f);
    for (size_t i = 1; i < f.size(); ++i) EXPECT_GE(f[i], f[i - 1]);
    // one in the middle by hand: frequency 500000^(-31/64), wavelength 2 pi / frequency
    const double wavelength = 2 * 3.14159265358979323846 * std::pow(500000.0, 31 / 64.0);
    const double smooth = (8192 / wavelength - 1) / 3;
    EXPECT_NEAR(1.0 / f[31], (1 - smooth) / 8 + smooth, 1e-6);
    EXPECT_EQ(c->hparams.rope.scale, 1.0f);
}

TEST(HfConfig, RejectsWhatItCannotCompute) {
    struct Row {
        const char * key;
        Json value;
        const char * message;
        ql_status code;
    };
    const Row table[] = {
        {"model_type", "nosuch", "model_type 'nosuch' is not supported", QL_UNSUPPORTED},
        {"model_type", 7, "'model_type' must be a string, got 7", QL_BAD_FILE},
        {"model_type", nullptr, "'model_type' must be a string", QL_BAD_FILE},
        {"hidden_size", "24", "'hidden_size' must be a whole number", QL_BAD_FILE},
        {"hidden_size", -24, "'hidden_size' is out of range", QL_BAD_FILE},
        {"hidden_size", 1e9, "'hidden_size' must be a whole number", QL_BAD_FILE},
        {"hidden_size", 1000000000, "embedding length", QL_BAD_FILE},
        {"num_attention_heads", 0, "'num_attention_heads' must be at least 1", QL_BAD_FILE},
        {"num_attention_heads", 18446744073709551615u, "'num_attention_heads' is out of range", QL_BAD_FILE},
        {"num_key_value_heads", 3, "no multiple", QL_BAD_FILE},
        {"num_hidden_layers", 0, "number of layers", QL_BAD_FILE},
        {"head_dim", 7, "odd", QL_BAD_FILE},
        {"rms_norm_eps", "small", "'rms_norm_eps' must be a finite number", QL_BAD_FILE},
        {"rms_norm_eps", 2, "epsilon", QL_BAD_FILE},
        {"hidden_act", "gelu", "hidden_act 'gelu'", QL_UNSUPPORTED},
        {"attention_bias", 1, "'attention_bias' must be true or false", QL_BAD_FILE},
        {"sliding_window", 64, "sliding window of 64", QL_UNSUPPORTED},
        {"quantization_config", {{"quant_method", "hqq"}}, "quantization_config", QL_UNSUPPORTED},
        {"quantization_config", {{"quant_method", "gptq"}, {"bits", 2}}, "2 bits of GPTQ", QL_UNSUPPORTED},
        {"partial_rotary_factor", 0.5, "partial_rotary_factor", QL_UNSUPPORTED},
        {"rope_theta", 0, "rope_theta 0", QL_BAD_FILE},
        {"rope_scaling", "linear", "'rope_scaling' must be an object", QL_BAD_FILE},
        {"rope_scaling", {{"rope_type", "yarn"}, {"factor", 0}}, "'factor' must be positive", QL_BAD_FILE},
        {"rope_scaling", {{"rope_type", "yarn"}, {"factor", 2}, {"beta_fast", 1}}, "fast over slow", QL_BAD_FILE},
        {"rope_scaling", {{"rope_type", "longrope"}, {"factor", 2}}, "'short_factor' must be a list", QL_BAD_FILE},
        {"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}, "rope type 'dynamic'", QL_UNSUPPORTED},
        {"rope_scaling", {{"rope_type", "linear"}}, "'factor' must be a finite number", QL_BAD_FILE},
        {"rope_scaling", {{"rope_type", "linear"}, {"factor", 0}}, "'factor' must be positive", QL_BAD_FILE},
        {"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8}}, "'low_freq_factor' must be", QL_BAD_FILE},
        {"rope_scaling",
         {{"rope_type", "llama3"},
          {"factor", 8},
          {"low_freq_factor", 4},
          {"high_freq_factor", 4},
          {"original_max_position_embeddings", 32}},
         "high over low",
         QL_BAD_FILE},
        {"rope_scaling",
         {{"rope_type", "linear"}, {"factor", 2}, {"mscale", 0.7}},
         "rope_scaling: 'mscale' is not known here and may change what is computed (0.7)",
         QL_UNSUPPORTED},
        {"rope_parameters", {{"full_attention", {{"rope_theta", 1}}}}, "'full_attention' is not known", QL_UNSUPPORTED},
        {"rope_scaling", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}, "must be 1", QL_BAD_FILE},
        {"num_attention_heads", 5, "must divide hidden_size", QL_BAD_FILE},
        {"architectures", {"LlamaForSequenceClassification"}, "only classes ...ForCausalLM", QL_UNSUPPORTED},
        {"architectures", "LlamaForCausalLM", "must be a list", QL_BAD_FILE},
        {"layer_types", {"full_attention", "chunked_attention"}, "'chunked_attention'", QL_UNSUPPORTED},
        {"layer_types", {"full_attention"}, "an entry for each layer", QL_BAD_FILE},
        {"layer_types", {"full_attention", "sliding_attention"}, "'sliding_window' must be set", QL_BAD_FILE},
        {"quantization", {{"group_size", 64}, {"bits", 4}}, "quantised MLX directory", QL_UNSUPPORTED},
        {"attention_multiplier", 0.5, "'attention_multiplier' is 0.5, only 1 is supported", QL_UNSUPPORTED},
        {"num_local_experts", 8, "'num_local_experts' is 8", QL_UNSUPPORTED},
        {"use_qk_norm", true, "'use_qk_norm' is not known here", QL_UNSUPPORTED},
        {"tie_word_embeddings", "yes", "'tie_word_embeddings' must be true or false", QL_BAD_FILE},
    };
    for (const Row & row : table) {
        Json json = tiny();
        json[row.key] = row.value;
        const auto c = read(json);
        ASSERT_FALSE(c.ok()) << row.key << " " << row.value;
        EXPECT_EQ(c.code(), row.code) << c.message();
        EXPECT_NE(c.message().find(row.message), std::string::npos)
            << row.key << " " << row.value << ": " << c.message();
    }
}

TEST(HfConfig, FieldsThatSayNothingAndKnownOnesAreHarmless) {
    Json json = tiny();
    json.update(Json{{"architectures", {"LlamaForCausalLM"}},
                     {"torch_dtype", "bfloat16"},
                     {"pretraining_tp", 2},
                     {"attention_dropout", 0.1},
                     {"attention_multiplier", 1},
                     {"rope_scaling", {{"rope_type", "default"}, {"factor", 1.0}}},
                     {"quantization_config", nullptr},
                     {"use_qk_norm", false},
                     {"some_future_list", Json::array()},
                     {"some_future_text", ""}});
    const auto c = read(json);
    EXPECT_TRUE(c.ok()) << c.message();
}

TEST(HfConfig, BiasesAreLlamasAlone) {
    Json json = tiny();
    json["attention_bias"] = json["mlp_bias"] = true;
    const auto c = read(json);
    ASSERT_TRUE(c.ok()) << c.message();
    ASSERT_EQ(c->config.biases.size(), 2u);
    for (const HfBiases & biases : c->config.biases) EXPECT_TRUE(biases.there) << biases.key;
    json["model_type"] = "mistral";
    EXPECT_EQ(read(json).code(), QL_UNSUPPORTED);
    EXPECT_NE(read(json).message().find("'mistral' has no biases, but attention_bias is set"), std::string::npos);
}

TEST(HfConfig, TwoRopesMustAgree) {
    Json json = tiny();
    json["rope_parameters"] = json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2.0}};
    EXPECT_TRUE(read(json).ok()) << read(json).message();
    json["rope_scaling"]["factor"] = 4.0;
    EXPECT_EQ(read(json).code(), QL_BAD_FILE);
}

TEST(HfConfig, AWindowOfTheWholeContextIsNone) {
    Json json = tiny();
    json["model_type"] = "mistral";
    json["sliding_window"] = 100;
    EXPECT_TRUE(read(json).ok());
    json["sliding_window"] = nullptr;
    EXPECT_TRUE(read(json).ok());
}

TEST(JsonFile, RejectsWhatIsNoObject) {
    test::TemporaryFolder folder;
    for (const char * text : {"", "{", "[]", "3", "{} x", "\xff"})
        EXPECT_EQ(JsonFile::open(folder.write("c.json", text)).code(), QL_BAD_FILE) << text;
    EXPECT_EQ(JsonFile::open(folder.path("absent.json")).code(), QL_NOT_FOUND);
    const std::string deep = "{\"model_type\":" + std::string(1000000, '[') + std::string(1000000, ']') + "}";
    const auto file = JsonFile::open(folder.write("c.json", deep));
    EXPECT_EQ(file.code(), QL_BAD_FILE);
    EXPECT_NE(file.message().find("nested too deep"), std::string::npos);
    EXPECT_TRUE(JsonFile::open(folder.write("c.json", R"({"a": "[[[\"{{{\\"})")).ok());
}

}  // namespace
}  // namespace ql
