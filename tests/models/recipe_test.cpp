// Mixes of types: which matrices of which layers get more bits, what the file says of itself, what is refused.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "ql/gguf.h"
#include "ql/model.h"
#include "ql/quantize.h"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

/// A model of sixteen layers with rows of whole blocks, mixed.
class Mixed {
  public:
    explicit Mixed(const char * recipe, bool tied = true, int64_t n_embd = 256, int64_t embedding_type = QL_BASE_AUTO) {
        TinyModelOptions tiny;
        tiny.n_layer = 16, tiny.n_embd = n_embd, tiny.n_ff = 256, tiny.tied = tied;
        const std::string in = write_tiny_model(folder_.path("in.gguf"), tiny), out = folder_.path("out.gguf");
        ql_quantize_options o;
        ql_quantize_options_init(&o);
        o.recipe = recipe;
        o.embedding_type = embedding_type;
        EXPECT_EQ(ql_quantize(in.c_str(), out.c_str(), &o), QL_OK) << ql_error_message();
        ql_gguf * file = nullptr;
        EXPECT_EQ(ql_gguf_open(out.c_str(), &file), QL_OK) << ql_error_message();
        for (int64_t i = 0; i < ql_gguf_n_tensors(file); ++i) {
            ql_gguf_tensor t;
            EXPECT_EQ(ql_gguf_tensor_at(file, i, &t), QL_OK);
            types_[t.name] = ql_dtype_name(t.dtype);
        }
        EXPECT_EQ(ql_gguf_get_int(file, "general.file_type", &file_type), QL_OK);
        ql_gguf_close(file);
    }
    const std::string & type(const std::string & name) const { return types_.at(name); }
    /// The layers whose matrix has the type.
    std::set<int> layers(const char * matrix, const char * type) const {
        std::set<int> found;
        for (int i = 0; i < 16; ++i)
            if (types_.at("blk." + std::to_string(i) + "." + matrix + ".weight") == type) found.insert(i);
        return found;
    }
    int64_t file_type = -1;

  private:
    TemporaryFolder folder_;
    std::map<std::string, std::string> types_;
};

const std::set<int> kAll = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
const std::set<int> kOuterAndThirds = {0, 1, 4, 7, 10, 13, 14, 15};  // llama.cpp's use_more_bits of 16 layers

TEST(Recipe, MediumGivesHalfOfTheValuesAndDownProjectionsMoreBits) {
    for (const auto & [name, base, number] : {std::tuple{"q4_K_M", "q4_K", 15}, std::tuple{"Q5_k_m", "q5_K", 17}}) {
        const Mixed mixed(name);
        for (const char * matrix : {"attn_v", "ffn_down"})
            EXPECT_EQ(mixed.layers(matrix, "q6_K"), kOuterAndThirds) << name << " " << matrix;
        EXPECT_EQ(mixed.layers("ffn_down", base).size(), 8u);
        for (const char * matrix : {"attn_q", "attn_k", "attn_output", "ffn_gate", "ffn_up"})
            EXPECT_EQ(mixed.layers(matrix, base), kAll) << name << " " << matrix;
        EXPECT_EQ(mixed.type("token_embd.weight"), "q6_K") << "it is the head, too";
        EXPECT_EQ(mixed.type("blk.3.attn_norm.weight"), "f32");
        EXPECT_EQ(mixed.file_type, number);
    }
}

TEST(Recipe, SmallGivesTheFirstLayersMoreBits) {
    const Mixed q4("q4_K_S");
    EXPECT_EQ(q4.layers("attn_v", "q5_K"), (std::set<int>{0, 1, 2, 3}));
    EXPECT_EQ(q4.layers("ffn_down", "q5_K"), (std::set<int>{0, 1}));
    EXPECT_EQ(q4.layers("ffn_down", "q4_K").size(), 14u);
    EXPECT_EQ(q4.file_type, 14);
    const Mixed q5("q5_K_S");
    EXPECT_EQ(q5.layers("attn_v", "q5_K"), kAll);
    EXPECT_EQ(q5.file_type, 16);
}

TEST(Recipe, ThreeBitsHaveThreeSizes) {
    const Mixed small("q3_K_S"), medium("q3_K_M"), large("q3_K_L");
    EXPECT_EQ(small.layers("ffn_down", "q3_K"), kAll);
    EXPECT_EQ(medium.layers("attn_v", "q5_K"), (std::set<int>{0, 1}));
    EXPECT_EQ(medium.layers("attn_v", "q4_K").size(), 14u);
    EXPECT_EQ(medium.layers("ffn_down", "q5_K"), (std::set<int>{0}));
    EXPECT_EQ(medium.layers("attn_output", "q4_K"), kAll);
    EXPECT_EQ(medium.layers("ffn_up", "q3_K"), kAll);
    for (const char * matrix : {"attn_v", "ffn_down", "attn_output"}) EXPECT_EQ(large.layers(matrix, "q5_K"), kAll);
    EXPECT_EQ(small.file_type, 11);
    EXPECT_EQ(medium.file_type, 12);
    EXPECT_EQ(large.file_type, 13);
}

TEST(Recipe, EmbeddingAndHeadAreApartWhereTheModelHasBoth) {
    const Mixed mixed("q4_K_M", false);
    EXPECT_EQ(mixed.type("token_embd.weight"), "q4_K");
    EXPECT_EQ(mixed.type("output.weight"), "q6_K");
    EXPECT_EQ(Mixed("q4_K_M", false, 256, QL_Q8_0).type("output.weight"), "q8_0");
    EXPECT_EQ(Mixed("q4_K_M", false, 256, QL_BASE_KEEP).type("output.weight"), "f32");
}

/// Rows of 64 are no whole blocks: linears over them become f16, embedding and head q8_0; rows of 256 are mixed.
TEST(Recipe, RowsThatAreNoWholeBlocksKeepMoreBits) {
    const Mixed mixed("q4_K_M", true, 64);
    EXPECT_EQ(mixed.layers("attn_v", "f16"), kAll);
    EXPECT_EQ(mixed.layers("ffn_down", "q6_K"), kOuterAndThirds);
    EXPECT_EQ(mixed.type("token_embd.weight"), "q8_0");
}

TEST(Recipe, AnUnknownOneIsRefusedWithTheNamesThatThereAre) {
    TemporaryFolder folder;
    const std::string in = write_tiny_model(folder.path("in.gguf"));
    ql_quantize_options o;
    ql_quantize_options_init(&o);
    o.recipe = "q4_K_X";
    EXPECT_EQ(ql_quantize(in.c_str(), folder.path("out.gguf").c_str(), &o), QL_NOT_FOUND);
    EXPECT_NE(std::string(ql_error_message()).find("'q4_K_X' is not known; known are q3_K_S q3_K_M"), std::string::npos)
        << ql_error_message();
    o.recipe = "q4_K_M";
    o.search = 1;
    EXPECT_EQ(ql_quantize(in.c_str(), folder.path("out.gguf").c_str(), &o), QL_UNSUPPORTED);
    EXPECT_EQ(folder.names().size(), 1u);
    EXPECT_STREQ(ql_quantize_recipe_at(0), "q3_K_S");
    EXPECT_EQ(ql_quantize_recipe_at(-1), nullptr);
    EXPECT_EQ(ql_quantize_recipe_at(7), nullptr);
}

}  // namespace
}  // namespace ql::test
