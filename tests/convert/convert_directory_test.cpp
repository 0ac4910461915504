// Hugging Face directories as GGUF files: the same model, keys that say all of it, and what they cannot say.
#include <map>

#include "convert/open_kept.hpp"
#include "models/convert/convert_directory.hpp"
#include "models/files/safetensors.hpp"
#include "models/golden.hpp"
#include "ql/gguf.h"
#include "ql/quantize.h"
#include "support/hf_folder.hpp"
#include "support/raw_safetensors.hpp"

namespace ql::test {
namespace {

ql_quantize_options options_of(int64_t type) {
    return {sizeof(ql_quantize_options), type, QL_BASE_AUTO, nullptr, nullptr, 0, 0, nullptr, 0, nullptr};
}

/// Options that collect the notes and the types.
class Collecting {
  public:
    explicit Collecting(int64_t type = QL_BASE_KEEP) : options(options_of(type)) {
        options.user = this;
        options.on_note = [](void * self, const char * note) { static_cast<Collecting *>(self)->notes += note; };
        options.on_tensor = [](void * self, const ql_quantized_tensor * t) {
            auto & c = *static_cast<Collecting *>(self);
            c.types[t->name] = std::string(t->from) + " -> " + t->to;
            return static_cast<int64_t>(c.types.size()) == c.stop_after ? 1 : 0;
        };
    }
    ql_quantize_options options;
    std::string notes;
    std::map<std::string, std::string> types;
    int64_t stop_after = -1;
};

class ConvertArch : public ::testing::TestWithParam<const char *> {};

TEST_P(ConvertArch, GivesTheBitsAndTheTokensOfTheDirectory) {
    const HfFolder in(GetParam());
    const TemporaryFolder out;
    Collecting collecting;
    const Status status = convert_directory(in.path(), out.path("m.gguf"), collecting.options);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(out.names(), std::vector<std::string>{"m.gguf"});
    const auto directory = open_kept(in.path()), file = open_kept(out.path("m.gguf"));
    ASSERT_TRUE(directory && file);
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    EXPECT_EQ(logits_of(*file, device.get(), some_tokens()), logits_of(*directory, device.get(), some_tokens()));
    ASSERT_TRUE(file->tokenizer());
    for (const char * text : {"abc and", "x<s>y</s>", " the(quick)brown", "abcabab"})
        EXPECT_EQ(file->tokenizer()->encode(text, true, true), directory->tokenizer()->encode(text, true, true))
            << text;
    EXPECT_EQ(file->tokenizer()->eos(), 2);
    EXPECT_EQ(file->chat_template(), directory->chat_template());
    EXPECT_EQ(collecting.notes, "");
}

INSTANTIATE_TEST_SUITE_P(, ConvertArch,
                         ::testing::Values("llama", "llama3_rope", "llama_bias", "mistral_window", "qwen2", "qwen3",
                                           "gemma2", "gemma3", "phi3", "phi3_longrope", "smollm3", "granite", "olmo2",
                                           "glm4", "ministral3"));

class ConvertDirectory : public ::testing::Test {
  protected:
    Status convert(Collecting & collecting) {
        return convert_directory(in_.path(), out_.path("m.gguf"), collecting.options);
    }
    std::string refused(ql_status code) {
        Collecting collecting;
        const Status status = convert(collecting);
        EXPECT_EQ(status.code(), code) << status.message();
        EXPECT_TRUE(out_.names().empty());
        return status.message();
    }
    std::string converted(int64_t type, const std::function<void(ql_quantize_options &)> & change = {}) {
        Collecting collecting(type);
        if (change) change(collecting.options);
        const Status status = convert(collecting);
        EXPECT_TRUE(status.ok()) << status.message();
        types_ = collecting.types;
        return read_all(out_.path("m.gguf"));
    }
    HfFolder in_{"llama"};
    TemporaryFolder out_;
    std::map<std::string, std::string> types_;
};

TEST_F(ConvertDirectory, TakesTypesAndMixes) {
    converted(QL_Q8_0);
    EXPECT_EQ(types_["blk.0.attn_q.weight"], "f32 -> q8_0");
    EXPECT_EQ(types_["blk.0.attn_norm.weight"], "f32 -> f32");
    converted(QL_NF4_DQ);
    EXPECT_EQ(types_["blk.1.ffn_up.weight"], "f32 -> nf4_dq");
    EXPECT_TRUE(open_kept(out_.path("m.gguf")));
    converted(QL_F32, [](ql_quantize_options & o) { o.recipe = "q4_K_M"; });
    EXPECT_EQ(types_["blk.0.attn_q.weight"], "f32 -> f16") << "rows of 64";
    EXPECT_TRUE(open_kept(out_.path("m.gguf")));
}

TEST_F(ConvertDirectory, DoesNotDependOnThreads) {
    const std::string one = converted(QL_NF4, [](ql_quantize_options & o) { o.threads = 1; });
    EXPECT_TRUE(one == converted(QL_NF4, [](ql_quantize_options & o) { o.threads = 5; }));
}

TEST_F(ConvertDirectory, DoesNotDependOnShards) {
    const std::string whole = converted(QL_BASE_KEEP);
    auto file = SafeTensorsFile::open(in_.path("model.safetensors"));
    ASSERT_TRUE(file.ok()) << file.message();
    SafeTensorsMaker shards[2];
    Json map = Json::object();
    size_t i = 0;
    for (const SafeTensor & t : file->tensors()) {
        shards[i % 2].add(t.name, t.dtype.c_str(), t.shape, {static_cast<const char *>(t.data), t.bytes});
        map[t.name] = i++ % 2 ? "b.safetensors" : "a.safetensors";
    }
    in_.folder.write("a.safetensors", shards[0].file(1));  // unaligned
    in_.folder.write("b.safetensors", shards[1].file());
    in_.write("model.safetensors.index.json", {{"weight_map", map}});
    std::filesystem::remove(in_.path("model.safetensors"));
    EXPECT_TRUE(whole == converted(QL_BASE_KEEP));
}

TEST_F(ConvertDirectory, KeepsSixteenBitsOfMatricesAndWidensNorms) {
    auto file = SafeTensorsFile::open(in_.path("model.safetensors"));
    ASSERT_TRUE(file.ok()) << file.message();
    SafeTensorsMaker maker;
    for (const SafeTensor & t : file->tensors()) {
        std::vector<uint16_t> half(static_cast<size_t>(t.elements()));
        const auto * bits = static_cast<const uint32_t *>(t.data);
        for (size_t i = 0; i < half.size(); ++i) half[i] = static_cast<uint16_t>(bits[i] >> 16);
        maker.add(t.name, "BF16", t.shape, bytes_of(half));
    }
    in_.folder.write("model.safetensors", maker.file());
    converted(QL_BASE_KEEP);
    EXPECT_EQ(types_["blk.0.attn_q.weight"], "bf16 -> bf16");
    EXPECT_EQ(types_["blk.0.attn_norm.weight"], "f32 -> f32");
    const auto directory = open_kept(in_.path()), written = open_kept(out_.path("m.gguf"));
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    EXPECT_EQ(logits_of(*written, device.get(), some_tokens()), logits_of(*directory, device.get(), some_tokens()));
}

TEST_F(ConvertDirectory, WritesGeneralKeys) {
    in_.write("generation_config.json",
              {{"do_sample", true}, {"temperature", 0.6}, {"top_k", 20}, {"eos_token_id", 2}});
    converted(QL_F16);
    GgufPtr file;
    ASSERT_EQ(ql_gguf_open(out_.path("m.gguf").c_str(), out(file)), QL_OK) << ql_error_message();
    const auto text = [&](const char * key) {
        ql_gguf_string s{};
        EXPECT_EQ(ql_gguf_get_string(file.get(), key, &s), QL_OK) << key;
        return std::string(view(s));
    };
    int64_t number = 0;
    double real = 0;
    EXPECT_EQ(text("general.architecture"), "llama");
    EXPECT_EQ(text("general.type"), "model");
    EXPECT_EQ(text("general.size_label"), "121K");
    EXPECT_EQ(text("tokenizer.ggml.model"), "llama");
    EXPECT_EQ(ql_gguf_get_int(file.get(), "general.sampling.top_k", &number), QL_OK);
    EXPECT_EQ(number, 20);
    EXPECT_EQ(ql_gguf_get_float(file.get(), "general.sampling.temp", &real), QL_OK);
    EXPECT_FLOAT_EQ(static_cast<float>(real), 0.6f);
    EXPECT_EQ(ql_gguf_get_int(file.get(), "general.file_type", &number), QL_OK);
    EXPECT_EQ(number, 1);
    ql_gguf_array tokens{};
    EXPECT_EQ(ql_gguf_get_array(file.get(), "tokenizer.ggml.tokens", &tokens), QL_OK);
    EXPECT_EQ(tokens.n, in_.config["vocab_size"].get<int64_t>());
}

TEST_F(ConvertDirectory, TokensFillTheEmbeddingsRows) {
    in_.write("tokenizer.json", character_tokenizer(110));
    converted(QL_BASE_KEEP);
    const auto model = open_kept(out_.path("m.gguf"));
    ASSERT_TRUE(model);
    EXPECT_EQ(model->tokenizer()->n_tokens(), in_.config["vocab_size"].get<int64_t>());
}

TEST_F(ConvertDirectory, WithoutATokenizerSaysSo) {
    std::filesystem::remove(in_.path("tokenizer.json"));
    Collecting collecting;
    const Status status = convert(collecting);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_NE(collecting.notes.find("no tokenizer"), std::string::npos);
}

TEST_F(ConvertDirectory, StopsWithoutATrace) {
    Collecting collecting;
    collecting.stop_after = 3;
    EXPECT_EQ(convert(collecting).code(), QL_CANCELLED);
    EXPECT_TRUE(out_.names().empty());
    out_.write("m.gguf", "older");
    EXPECT_EQ(convert(collecting).code(), QL_CANCELLED);
    EXPECT_EQ(read_all(out_.path("m.gguf")), "older");
}

TEST_F(ConvertDirectory, RefusesWhatGgufKeysCannotSay) {
    in_.config["rope_parameters"] = {{"rope_type", "yarn"}, {"rope_theta", 1e4}, {"factor", 2.0}, {"truncate", false}};
    in_.config.erase("rope_theta"), in_.config.erase("rope_scaling");
    in_.write_config();
    EXPECT_NE(refused(QL_UNSUPPORTED).find("'truncate' false"), std::string::npos);
}

TEST_F(ConvertDirectory, SaysYarnOfLlama) {
    in_.config["rope_parameters"] = {{"rope_type", "yarn"}, {"rope_theta", 1e4},
                                     {"factor", 4.0},       {"attention_factor", 1.5},
                                     {"beta_fast", 16.0},   {"original_max_position_embeddings", 32}};
    in_.config.erase("rope_theta"), in_.config.erase("rope_scaling");
    in_.write_config();
    converted(QL_BASE_KEEP);
    const auto directory = open_kept(in_.path()), file = open_kept(out_.path("m.gguf"));
    ASSERT_TRUE(directory && file);
    const DevicePtr device(open_cpu(QL_COMPUTE_F32));
    EXPECT_LE(nmse(logits_of(*file, device.get(), some_tokens()), logits_of(*directory, device.get(), some_tokens())),
              1e-12);
}

TEST_F(ConvertDirectory, RefusesTokenizersThatGgufCannotSay) {
    Json tokenizer = character_tokenizer(in_.config["vocab_size"]);
    tokenizer["normalizer"] = {{"type", "Strip"}};
    in_.write("tokenizer.json", tokenizer);
    EXPECT_NE(refused(QL_UNSUPPORTED).find("strips blanks"), std::string::npos);
    tokenizer = character_tokenizer(in_.config["vocab_size"]);
    tokenizer["model"]["merges"] = Json::array();  // the vocabulary's "ab" would be merged by its score
    in_.write("tokenizer.json", tokenizer);
    EXPECT_NE(refused(QL_UNSUPPORTED).find("cannot say this tokenizer"), std::string::npos);
    in_.write("tokenizer.json", character_tokenizer(in_.config["vocab_size"].get<int64_t>() + 1));
    EXPECT_NE(refused(QL_BAD_FILE).find("the embedding has"), std::string::npos);
}

TEST(ConvertWindows, OfUpperLayersAreRefused) {
    const HfFolder in("qwen2_yarn");
    const TemporaryFolder out;
    const Status status = convert_directory(in.path(), out.path("m.gguf"), options_of(QL_F16));
    EXPECT_EQ(status.code(), QL_UNSUPPORTED);
    EXPECT_NE(status.message().find("window of the upper layers"), std::string::npos) << status.message();
    EXPECT_TRUE(out.names().empty());
}

TEST(ConvertWindows, OfAnotherPeriodAreSaid) {
    HfFolder in("gemma3");
    Json & types = in.config["layer_types"];
    types = Json::array();
    const auto n = in.config["num_hidden_layers"].get<size_t>();
    for (size_t i = 0; i < n; ++i) types.push_back(i % 2 == 1 ? "full_attention" : "sliding_attention");
    in.config.erase("_sliding_window_pattern"), in.config.erase("sliding_window_pattern");
    in.write_config();
    const TemporaryFolder out;
    Collecting collecting;
    const Status status = convert_directory(in.path(), out.path("m.gguf"), collecting.options);
    ASSERT_TRUE(status.ok()) << status.message();
    const auto directory = open_kept(in.path()), file = open_kept(out.path("m.gguf"));
    ASSERT_TRUE(directory && file);
    EXPECT_EQ(file->hparams().layers, directory->hparams().layers);
}

}  // namespace
}  // namespace ql::test
