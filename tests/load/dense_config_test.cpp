// config.json of the dense architectures: what each reads beyond Llama's fields, its defaults, and what is refused.
#include <gtest/gtest.h>

#include "models/load/find_architecture.hpp"
#include "models/load/known_architectures.hpp"
#include "models/load/read_hf_config.hpp"
#include "support/temporary_folder.hpp"

namespace ql {
namespace {

using Json = nlohmann::ordered_json;

Json tiny(const char * type, int64_t n_layer = 4) {
    return {{"model_type", type},
            {"hidden_size", 32},
            {"num_hidden_layers", n_layer},
            {"num_attention_heads", 4},
            {"num_key_value_heads", 2},
            {"intermediate_size", 40},
            {"vocab_size", 19},
            {"head_dim", 8},
            {"max_position_embeddings", 100}};
}

Json with(Json json, const Json & more) {
    json.update(more);
    return json;
}

Result<HfModel> read(const Json & json) {
    test::TemporaryFolder folder;
    QL_ASSIGN(const JsonFile file, JsonFile::open(folder.write("config.json", json.dump())));
    return read_hf_config(file);
}

std::vector<int64_t> windows(const Json & json) {
    const auto model = read(json);
    EXPECT_TRUE(model.ok()) << model.message();
    std::vector<int64_t> list;
    for (int64_t i = 0; model.ok() && i < model->hparams.n_layer(); ++i) list.push_back(model->hparams.layer(i).window);
    return list;
}

using List = std::vector<int64_t>;

TEST(DenseConfig, WindowsFollowThePatternOfTheirKind) {
    const Json window = {{"sliding_window", 7}};
    EXPECT_EQ(windows(with(tiny("mistral"), window)), (List{7, 7, 7, 7}));
    EXPECT_EQ(windows(with(tiny("phi3"), window)), (List{7, 7, 7, 7}));
    EXPECT_EQ(windows(with(tiny("gemma2"), window)), (List{7, 0, 7, 0}));
    EXPECT_EQ(windows(with(tiny("gemma3_text", 7), window)), (List{7, 7, 7, 7, 7, 0, 7}));
    EXPECT_EQ(windows(with(tiny("gemma3_text", 4), {{"sliding_window", 7}, {"sliding_window_pattern", 3}})),
              (List{7, 7, 0, 7}));
    EXPECT_EQ(windows(with(tiny("qwen2"), window)), (List{0, 0, 0, 0}));
    const Json upper = {{"sliding_window", 7}, {"use_sliding_window", true}, {"max_window_layers", 3}};
    EXPECT_EQ(windows(with(tiny("qwen3"), upper)), (List{0, 0, 0, 7}));
    const Json listed = {{"sliding_window", 7},
                         {"layer_types", {"full_attention", "sliding_attention", "full_attention", "full_attention"}}};
    EXPECT_EQ(windows(with(tiny("gemma2"), listed)), (List{0, 7, 0, 0}));
    EXPECT_EQ(windows(with(tiny("mistral"), {{"sliding_window", 100}})), (List{0, 0, 0, 0}));
}

TEST(DenseConfig, LayersWithAWindowHaveTheLocalRope) {
    Json json = with(tiny("gemma3_text", 6), {{"sliding_window", 7}, {"rope_theta", 1e6}});
    json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
    const auto old = read(json);
    ASSERT_TRUE(old.ok()) << old.message();
    EXPECT_EQ(old->hparams.rope_of(0)->base, 10000.0f);
    EXPECT_EQ(old->hparams.rope_of(0)->scale, 1.0f);
    EXPECT_EQ(old->hparams.rope_of(5)->base, 1e6f);
    EXPECT_EQ(old->hparams.rope_of(5)->scale, 0.125f);
    json["rope_local_base_freq"] = 500;
    EXPECT_EQ(read(json)->hparams.rope_of(0)->base, 500.0f);
}

TEST(DenseConfig, ReadsWhatAnArchitectureAdds) {
    const auto gemma2 = read(with(tiny("gemma2"), {{"sliding_window", 7}, {"query_pre_attn_scalar", 16}}));
    ASSERT_TRUE(gemma2.ok()) << gemma2.message();
    EXPECT_EQ(gemma2->hparams.attention_scale, 0.25f);
    EXPECT_EQ(gemma2->hparams.attention_cap, 50.0f);
    EXPECT_EQ(gemma2->hparams.logit_cap, 30.0f);
    EXPECT_FLOAT_EQ(gemma2->hparams.embedding_scale, 5.656854f);
    EXPECT_EQ(read(tiny("glm4"))->hparams.rope.n_rot, 4);
    EXPECT_EQ(read(with(tiny("phi3"), {{"partial_rotary_factor", 0.75}}))->hparams.rope.n_rot, 6);
    const auto granite = read(with(tiny("granite"), {{"logits_scaling", 8}, {"residual_multiplier", 0.5}}));
    ASSERT_TRUE(granite.ok()) << granite.message();
    EXPECT_EQ(granite->hparams.logit_scale, 0.125f);
    EXPECT_EQ(granite->hparams.residual_scale, 0.5f);
    EXPECT_EQ(granite->hparams.attention_scale, 1.0f);
    const auto smollm3 = read(with(tiny("smollm3", 5), {{"no_rope_layers", {1, 0, 1, 1, 1}}}));
    ASSERT_TRUE(smollm3.ok()) << smollm3.message();
    EXPECT_EQ(smollm3->hparams.rope_of(1), nullptr);
    EXPECT_NE(smollm3->hparams.rope_of(3), nullptr);
    EXPECT_EQ(read(tiny("smollm3", 5))->hparams.rope_of(3), nullptr);
}

TEST(DenseConfig, RejectsWhatDoesNotFit) {
    struct Row {
        Json json;
        const char * message;
        ql_status code = QL_BAD_FILE;
    };
    const Json temperature = {
        {"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 25}, {"llama_4_scaling_beta", 0.1}};
    const Json longrope = {{"rope_type", "longrope"}, {"short_factor", {1, 1, 1, 1}}, {"long_factor", {1, 2, 3}}};
    const Json negative = {{"rope_type", "longrope"}, {"short_factor", {1, 1, -1, 1}}, {"long_factor", {1, 2, 3, 4}}};
    const Row table[] = {
        {with(tiny("gemma2"), {{"query_pre_attn_scalar", 0}}), "'query_pre_attn_scalar' must be positive"},
        {with(tiny("gemma2"), {{"attn_logit_softcapping", -1}}), "soft cap of attention -1 is not positive"},
        {with(tiny("gemma2"), {{"hidden_activation", "gelu"}}), "hidden_activation 'gelu'", QL_UNSUPPORTED},
        {with(tiny("gemma2"), {{"use_bidirectional_attention", true}}), "'use_bidirectional_attention'",
         QL_UNSUPPORTED},
        {with(tiny("granite"), {{"logits_scaling", 0}}), "the divisor of the logits is 0, not positive"},
        {with(tiny("granite"), {{"embedding_multiplier", "12"}}), "'embedding_multiplier' must be a finite number"},
        {with(tiny("smollm3"), {{"no_rope_layers", {1, 0}}}), "'no_rope_layers' must be a list with an entry"},
        {with(tiny("smollm3"), {{"no_rope_layer_interval", 0}}), "must be at least 1"},
        {with(tiny("glm4"), {{"partial_rotary_factor", 0}}), "must be over 0, and at most 1"},
        {with(tiny("glm4"), {{"partial_rotary_factor", 0.4}}), "rotated length 3 is odd"},
        {with(tiny("phi3"), {{"rope_scaling", longrope}}), "'long_factor' must be a list with a number for each pair"},
        {with(tiny("phi3"), {{"rope_scaling", negative}}), "'short_factor' must hold positive numbers"},
        {with(tiny("mistral"), {{"sliding_window", 0}}), "'sliding_window' must be positive"},
        {with(tiny("llama"), {{"rope_parameters", temperature}}), "llama_4_scaling_beta", QL_UNSUPPORTED},
        {with(tiny("qwen3"), {{"attention_bias", "no"}}), "'attention_bias' must be true or false"},
    };
    for (const Row & row : table) {
        const auto model = read(row.json);
        ASSERT_FALSE(model.ok()) << row.message;
        EXPECT_EQ(model.code(), row.code) << model.message();
        EXPECT_NE(model.message().find(row.message), std::string::npos) << row.message << ": " << model.message();
    }
    EXPECT_TRUE(read(with(tiny("ministral3"), {{"rope_parameters", temperature}})).ok());
}

TEST(KnownArchitectures, AreRefusedByWhatIsMissing) {
    const auto gguf = find_architecture("qwen3moe");
    EXPECT_EQ(gguf.code(), QL_UNSUPPORTED);
    EXPECT_NE(gguf.message().find("architecture 'qwen3moe' is known, but not built here: missing are experts and their "
                                  "router; supported: "),
              std::string::npos)
        << gguf.message();
    const auto hf = find_hf_architecture("gemma3");
    EXPECT_NE(hf.message().find("model_type 'gemma3' is known, but not built here: missing are images"),
              std::string::npos)
        << hf.message();
    EXPECT_NE(find_architecture("nosuch").message().find("architecture 'nosuch' is not supported; supported: "),
              std::string::npos);
    EXPECT_TRUE(find_architecture("gemma3").ok());
}

}  // namespace
}  // namespace ql
