// Tensor names and RoPE row order between Hugging Face and GGUF, both ways.
#include <gtest/gtest.h>

#include <set>

#include "models/hf/rope_order.hpp"
#include "models/load/find_architecture.hpp"

namespace ql {
namespace {

const HfNames & names() {
    return (*find_architecture("llama"))->hf_names();
}

TEST(HfNames, TranslatesBothWays) {
    EXPECT_EQ(names().gguf_name("model.embed_tokens.weight"), "token_embd.weight");
    EXPECT_EQ(names().gguf_name("model.layers.31.self_attn.o_proj.weight"), "blk.31.attn_output.weight");
    EXPECT_EQ(names().gguf_name("model.layers.0.mlp.down_proj.weight"), "blk.0.ffn_down.weight");
    EXPECT_EQ(names().gguf_name("model.layers.2.self_attn.q_proj.bias"), "blk.2.attn_q.bias");
    for (const char * name : {"lm_head.weight", "model.norm.weight", "model.layers.7.input_layernorm.weight",
                              "model.layers.10.post_attention_layernorm.weight", "model.layers.0.mlp.up_proj.weight"})
        EXPECT_EQ(names().hf_name(names().gguf_name(name).value()), name);
}

TEST(HfNames, FindALinearByTheWordThatPeftCallsItsModule) {
    EXPECT_EQ(names().linear_of_module("q_proj"), "attn_q");
    EXPECT_EQ(names().linear_of_module("down_proj"), "ffn_down");
    for (const char * word : {"", "proj", "self_attn", "input_layernorm", "attn_q"})
        EXPECT_EQ(names().linear_of_module(word), "") << word;
}

TEST(HfNames, KnowsNothingElse) {
    for (const char * name :
         {"", "model.layers.", "model.layers.5", "model.layers.5.", "model.layers.x.mlp.up_proj.weight",
          "model.layers.-1.mlp.up_proj.weight", "model.layers.00.mlp.up_proj.weight",
          "model.layers.1234567.mlp.up_proj.weight", "model.layers.0.input_layernorm.bias",
          "layers.0.mlp.up_proj.weight", "blk.0.ffn_up.weight"})
        EXPECT_FALSE(names().gguf_name(name)) << name;
    EXPECT_FALSE(names().hf_name("model.norm.weight"));
    EXPECT_TRUE(is_ignored_hf_name("model.layers.0.self_attn.rotary_emb.inv_freq"));
    EXPECT_FALSE(is_ignored_hf_name("model.layers.0.self_attn.q_proj.weight"));
}

constexpr HfName kExperts[] = {{"mlp.experts.*.up_proj.weight", "ffn_up_exps.weight"},
                               {"block_sparse_moe.experts.*.w2.weight", "ffn_down_exps.weight"}};

TEST(HfNames, AnExpertIsAMatrixOfAStack) {
    const HfNames experts({}, {}, kExperts);
    const auto up = experts.expert("model.layers.3.mlp.experts.12.up_proj.weight");
    ASSERT_TRUE(up);
    EXPECT_EQ(up->stack, "blk.3.ffn_up_exps.weight");
    EXPECT_EQ(up->expert, 12);
    EXPECT_EQ(experts.expert("model.layers.0.block_sparse_moe.experts.0.w2.weight")->stack,
              "blk.0.ffn_down_exps.weight");
    for (const char * name :
         {"", "model.layers.3.mlp.experts.", "model.layers.3.mlp.experts.1",
          "model.layers.3.mlp.experts.up_proj.weight", "model.layers.3.mlp.experts.01.up_proj.weight",
          "model.layers.3.mlp.experts.-1.up_proj.weight", "model.layers.3.mlp.experts.1234567.up_proj.weight",
          "model.layers.3.mlp.experts.1.up_proj.bias", "model.layers.3mlp.experts.1.up_proj.weight",
          "mlp.experts.1.up_proj.weight"})
        EXPECT_FALSE(experts.expert(name)) << name;
    EXPECT_FALSE(experts.gguf_name("model.layers.3.mlp.experts.12.up_proj.weight"));
    EXPECT_FALSE(names().expert("model.layers.3.mlp.experts.12.up_proj.weight")) << "a llama has none";
}

TEST(RopeOrder, InterleavesTheHalvesOfEachHead) {
    // reshape(H, 2, d/2).swap(1, 2) of rows 0..11 in two heads of 6
    const int64_t expected[12] = {0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11};
    std::set<int64_t> hit;
    for (int64_t row = 0; row < 12; ++row) {
        EXPECT_EQ(gguf_row_of_hf_row(row, 6), expected[row]) << row;
        hit.insert(gguf_row_of_hf_row(row, 6));
    }
    EXPECT_EQ(hit.size(), 12u);
}

TEST(RopeOrder, InverseUndoes) {
    int source[24 * 3], there[24 * 3], back[24 * 3];
    for (int i = 0; i < 72; ++i) source[i] = i * i;
    rows_to_gguf_order(source, there, 24, sizeof(int) * 3, 8);
    EXPECT_NE(std::memcmp(source, there, sizeof source), 0);
    rows_to_hf_order(there, back, 24, sizeof(int) * 3, 8);
    EXPECT_EQ(std::memcmp(source, back, sizeof source), 0);
}

}  // namespace
}  // namespace ql
