// A Hugging Face directory as a whole: names, row order, types, shards, and what is refused.
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "models/hf/rope_order.hpp"
#include "models/load/loaders.hpp"
#include "support/raw_safetensors.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"
#include "support/temporary_folder.hpp"

namespace ql {
namespace {

using Json = nlohmann::ordered_json;

// 2 heads of 4, 1 key-value head: uneven enough to notice rows in a wrong order.
constexpr int64_t kEmbd = 6, kHead = 4, kFf = 5, kVocab = 7;

Json config() {
    return {{"model_type", "llama"},        {"hidden_size", kEmbd},     {"num_hidden_layers", 1},
            {"num_attention_heads", 2},     {"num_key_value_heads", 1}, {"intermediate_size", kFf},
            {"vocab_size", kVocab},         {"head_dim", kHead},        {"rms_norm_eps", 1e-5},
            {"max_position_embeddings", 16}};
}

std::vector<float> numbers(int64_t n, float first) {
    std::vector<float> v(static_cast<size_t>(n));
    for (size_t i = 0; i < v.size(); ++i) v[i] = first + static_cast<float>(i);
    return v;
}

struct Tensor {
    std::string name;
    std::vector<int64_t> shape;
};

std::vector<Tensor> layout() {
    const std::string l = "model.layers.0.";
    return {{"model.embed_tokens.weight", {kVocab, kEmbd}},
            {"model.norm.weight", {kEmbd}},
            {l + "input_layernorm.weight", {kEmbd}},
            {l + "self_attn.q_proj.weight", {2 * kHead, kEmbd}},
            {l + "self_attn.k_proj.weight", {kHead, kEmbd}},
            {l + "self_attn.v_proj.weight", {kHead, kEmbd}},
            {l + "self_attn.o_proj.weight", {kEmbd, 2 * kHead}},
            {l + "post_attention_layernorm.weight", {kEmbd}},
            {l + "mlp.gate_proj.weight", {kFf, kEmbd}},
            {l + "mlp.up_proj.weight", {kFf, kEmbd}},
            {l + "mlp.down_proj.weight", {kEmbd, kFf}}};
}

int64_t product(const std::vector<int64_t> & shape) {
    int64_t n = 1;
    for (const int64_t dim : shape) n *= dim;
    return n;
}

void add(test::SafeTensorsMaker & maker, const Tensor & t, float first) {
    maker.add(t.name, t.shape, numbers(product(t.shape), first));
}

std::string weights() {
    test::SafeTensorsMaker maker;
    for (const Tensor & t : layout()) add(maker, t, 0);
    return maker.file();
}

const Weight * find(const ModelParts & parts, const std::string & name) {
    for (const Weight & w : parts.weights)
        if (w.name == name) return &w;
    return nullptr;
}

std::vector<float> values(const Weight & w) {
    EXPECT_EQ(w.dtype, QL_F32) << w.name;
    std::vector<float> v(static_cast<size_t>(w.elements()));
    std::memcpy(v.data(), w.data, v.size() * sizeof(float));
    return v;
}

class HfDirectory : public testing::Test {
  protected:
    void SetUp() override {
        folder_.write("config.json", config().dump());
        folder_.write("model.safetensors", weights());
    }
    Result<ModelParts> load() { return load_hf_model(folder_.path("")); }
    void expect_error(const char * message, ql_status code = QL_BAD_FILE) {
        const auto parts = load();
        ASSERT_FALSE(parts.ok()) << message;
        EXPECT_EQ(parts.code(), code) << parts.message();
        EXPECT_NE(parts.message().find(message), std::string::npos) << parts.message();
    }
    test::TemporaryFolder folder_;
};

TEST_F(HfDirectory, NamesAndShapesBecomeGguf) {
    const auto parts = load();
    ASSERT_TRUE(parts.ok()) << parts.message();
    EXPECT_EQ(parts->weights.size(), layout().size());
    const Weight * down = find(*parts, "blk.0.ffn_down.weight");
    ASSERT_NE(down, nullptr);
    EXPECT_EQ(down->n_dims, 2);
    EXPECT_EQ(down->ne[0], kFf);
    EXPECT_EQ(down->ne[1], kEmbd);
    EXPECT_EQ(values(*down), numbers(kFf * kEmbd, 0));
    EXPECT_EQ(find(*parts, "output.weight"), nullptr);
    EXPECT_EQ(parts->tokenizer, nullptr);
    EXPECT_EQ(parts->chat_template, "");
    EXPECT_FALSE(parts->name.empty());
}

TEST_F(HfDirectory, RowsOfQAndKComeInGgufOrder) {
    const auto parts = load();
    ASSERT_TRUE(parts.ok()) << parts.message();
    for (const auto & [name, rows] :
         std::map<std::string, int64_t>{{"attn_q", 2 * kHead}, {"attn_k", kHead}, {"attn_v", kHead}}) {
        const std::vector<float> got = values(*find(*parts, "blk.0." + name + ".weight"));
        for (int64_t head = 0; head < rows / kHead; ++head)
            for (int64_t half = 0; half < 2; ++half)
                for (int64_t j = 0; j < kHead / 2; ++j) {
                    const int64_t old_row = head * kHead + half * (kHead / 2) + j;
                    const int64_t row = name == "attn_v" ? old_row : head * kHead + 2 * j + half;
                    EXPECT_EQ(got[static_cast<size_t>(row * kEmbd)], static_cast<float>(old_row * kEmbd)) << name;
                }
    }
}

TEST_F(HfDirectory, SixteenBitsStayExceptInNorms) {
    test::SafeTensorsMaker maker;
    for (const Tensor & t : layout())
        maker.add(t.name, "BF16", t.shape,
                  test::bytes_of(std::vector<uint16_t>(static_cast<size_t>(product(t.shape)), 0x4049)));
    folder_.write("model.safetensors", maker.file());
    const auto parts = load();
    ASSERT_TRUE(parts.ok()) << parts.message();
    EXPECT_EQ(find(*parts, "blk.0.attn_q.weight")->dtype, QL_BF16);
    EXPECT_EQ(find(*parts, "blk.0.ffn_up.weight")->bytes, static_cast<size_t>(kFf * kEmbd * 2));
    EXPECT_EQ(values(*find(*parts, "blk.0.attn_norm.weight")), std::vector<float>(kEmbd, 3.140625f));
}

TEST_F(HfDirectory, UnalignedDataIsCopied) {
    test::SafeTensorsMaker maker;
    for (const Tensor & t : layout()) add(maker, t, 3);
    folder_.write("model.safetensors", maker.file(1));
    const auto parts = load();
    ASSERT_TRUE(parts.ok()) << parts.message();
    for (const Weight & w : parts->weights)
        EXPECT_EQ(reinterpret_cast<uintptr_t>(w.data) % alignof(float), 0u) << w.name;
    EXPECT_EQ(values(*find(*parts, "blk.0.ffn_gate.weight")), numbers(kFf * kEmbd, 3));
}

TEST_F(HfDirectory, ReadsShards) {
    std::filesystem::remove(folder_.path("model.safetensors"));
    test::SafeTensorsMaker one, two;
    Json map = Json::object();
    for (size_t i = 0; i < layout().size(); ++i) {
        add(i % 2 ? one : two, layout()[i], static_cast<float>(i));
        map[layout()[i].name] = i % 2 ? "a.safetensors" : "b.safetensors";
    }
    folder_.write("a.safetensors", one.file());
    folder_.write("b.safetensors", two.file());
    folder_.write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
    const auto parts = load();
    ASSERT_TRUE(parts.ok()) << parts.message();
    EXPECT_EQ(parts->weights.size(), layout().size());
    EXPECT_EQ(values(*find(*parts, "output_norm.weight")), numbers(kEmbd, 1));

    map["model.extra.weight"] = "a.safetensors";
    folder_.write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
    expect_error("'model.extra.weight' is missing, the index says");
    for (const Json & bad : {Json("../a.safetensors"), Json("/etc/passwd"), Json(""), Json(3), Json("..")}) {
        map["model.extra.weight"] = bad;
        folder_.write("model.safetensors.index.json", Json{{"weight_map", map}}.dump());
        expect_error("is not the name of a file");
    }
    folder_.write("model.safetensors.index.json", "{}");
    expect_error("'weight_map' must be an object");
    folder_.write("model.safetensors.index.json", R"({"weight_map":{}})");
    expect_error("lists no tensors");
    folder_.write("b.safetensors", one.file());
    folder_.write(
        "model.safetensors.index.json",
        R"({"weight_map":{"model.norm.weight":"a.safetensors","model.layers.0.self_attn.q_proj.weight":"b.safetensors"}})");
    expect_error("is in two files");
}

TEST_F(HfDirectory, MissingFilesAreNamed) {
    std::filesystem::remove(folder_.path("model.safetensors"));
    expect_error("neither model.safetensors nor", QL_NOT_FOUND);
    std::filesystem::remove(folder_.path("config.json"));
    expect_error("config.json", QL_NOT_FOUND);
}

TEST_F(HfDirectory, ATiedHeadIsNotLoaded) {
    test::SafeTensorsMaker maker;
    for (const Tensor & t : layout()) add(maker, t, 0);
    test::SafeTensorsMaker other = maker;
    maker.add("lm_head.weight", {kVocab, kEmbd}, numbers(kVocab * kEmbd, 0));
    folder_.write("model.safetensors", maker.file());
    ASSERT_NE(find(load().value(), "output.weight"), nullptr);
    Json tied = config();
    tied["tie_word_embeddings"] = true;
    folder_.write("config.json", tied.dump());
    EXPECT_EQ(find(load().value(), "output.weight"), nullptr);
    other.add("lm_head.weight", {kVocab, kEmbd}, numbers(kVocab * kEmbd, 9));
    folder_.write("model.safetensors", other.file());
    expect_error("'lm_head.weight' is there and differs");
}

TEST_F(HfDirectory, ASeparateHeadMustBeThere) {
    Json separate = config();
    separate["tie_word_embeddings"] = false;
    folder_.write("config.json", separate.dump());
    expect_error("'lm_head.weight' is missing");
}

TEST_F(HfDirectory, UnknownTensorsAreRefusedAndInvFreqIgnored) {
    test::SafeTensorsMaker maker;
    for (const Tensor & t : layout()) add(maker, t, 0);
    maker.add("model.layers.0.self_attn.rotary_emb.inv_freq", {2}, {1, 2});
    folder_.write("model.safetensors", maker.file());
    EXPECT_TRUE(load().ok()) << load().message();
    maker.add("model.layers.0.self_attn.q_norm.weight", {kHead}, numbers(kHead, 0));
    folder_.write("model.safetensors", maker.file());
    expect_error("'model.layers.0.self_attn.q_norm.weight' is not one that a 'llama' model has", QL_UNSUPPORTED);
}

TEST_F(HfDirectory, BiasesAreWhereTheConfigSaysSo) {
    test::SafeTensorsMaker maker;
    for (const Tensor & t : layout()) add(maker, t, 0);
    maker.add("model.layers.0.self_attn.q_proj.bias", {2 * kHead}, numbers(2 * kHead, 0));
    folder_.write("model.safetensors", maker.file());
    expect_error("'model.layers.0.self_attn.q_proj.bias' is there, but attention_bias in config.json is false");
    Json with = config();
    with["attention_bias"] = true;
    folder_.write("config.json", with.dump());
    expect_error("'model.layers.0.self_attn.k_proj.bias' is missing, but attention_bias in config.json is true");
    for (const auto & [name, n] : std::map<std::string, int64_t>{{"k", kHead}, {"v", kHead}, {"o", kEmbd}})
        maker.add("model.layers.0.self_attn." + name + "_proj.bias", {n}, numbers(n, 0));
    folder_.write("model.safetensors", maker.file());
    const auto parts = load();
    ASSERT_TRUE(parts.ok()) << parts.message();
    EXPECT_EQ(values(*find(*parts, "blk.0.attn_q.bias")), (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
    EXPECT_EQ(values(*find(*parts, "blk.0.attn_v.bias")), (std::vector<float>{0, 1, 2, 3}));
}

TEST_F(HfDirectory, ShapesThatCannotBeAreRefused) {
    struct Row {
        std::vector<int64_t> shape;
        const char * message;
    };
    for (const Row & row : {Row{{7, kEmbd}, "no multiple of the head length"}, Row{{2, 2, 2}, "one or two dimensions"},
                            Row{{0, kEmbd}, "one or two dimensions"}, Row{{}, "one or two dimensions"}}) {
        test::SafeTensorsMaker maker;
        add(maker, {"model.layers.0.self_attn.q_proj.weight", row.shape}, 0);
        folder_.write("model.safetensors", maker.file());
        expect_error(row.message);
    }
    test::SafeTensorsMaker maker;
    maker.add("model.norm.weight", "I64", {1}, std::string(8, '\0'));
    folder_.write("model.safetensors", maker.file());
    expect_error("is I64", QL_UNSUPPORTED);
}

TEST_F(HfDirectory, FindsTheChatTemplate) {
    folder_.write("tokenizer_config.json", R"({"chat_template": "from config"})");
    EXPECT_EQ(load()->chat_template, "from config");
    folder_.write(
        "tokenizer_config.json",
        R"({"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]})");
    EXPECT_EQ(load()->chat_template, "yes");
    folder_.write("tokenizer_config.json", R"({"chat_template": 3})");
    expect_error("'chat_template' must be a string");
    folder_.write("chat_template.jinja", "from its own file\n");
    EXPECT_EQ(load()->chat_template, "from its own file\n");
}

TEST(HfGolden, LoadsLlama) {
    const auto parts = load_hf_model(test::golden_path("arch/llama"));
    ASSERT_TRUE(parts.ok()) << parts.message();
    EXPECT_EQ(parts->name, "llama");
    EXPECT_EQ(parts->weights.size(), 29u);
    EXPECT_EQ(parts->hparams.n_vocab, 160);
    const auto golden = test::SafeTensors::open(test::golden_path("arch/llama/model.safetensors"));
    EXPECT_EQ(values(*find(*parts, "blk.2.attn_output.weight")), golden.f32("model.layers.2.self_attn.o_proj.weight"));
    const std::vector<float> k = golden.f32("model.layers.1.self_attn.k_proj.weight");
    std::vector<float> ordered(k.size());
    rows_to_gguf_order(k.data(), ordered.data(), 32, 64 * sizeof(float), 16);
    EXPECT_EQ(values(*find(*parts, "blk.1.attn_k.weight")), ordered);
}

TEST(HfGolden, Llama3GetsRopeFactorsAndAHead) {
    const auto parts = load_hf_model(test::golden_path("arch/llama3_rope"));
    ASSERT_TRUE(parts.ok()) << parts.message();
    const Weight * factors = find(*parts, "rope_freqs.weight");
    ASSERT_NE(factors, nullptr);
    EXPECT_EQ(factors->ne[0], 8);
    EXPECT_EQ(factors->n_dims, 1);
    EXPECT_EQ(values(*factors).front(), 1.0f);
    EXPECT_EQ(values(*factors).back(), 8.0f);
    EXPECT_NE(find(*parts, "output.weight"), nullptr);
    EXPECT_EQ(parts->hparams.rope.base, 500000.0f);
}

}  // namespace
}  // namespace ql
