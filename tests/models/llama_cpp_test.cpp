// What llama.cpp does with a branch, by architecture and tensor; tests/interop tries it in the program itself.
#include "models/adapter/llama_cpp.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

LlamaCppUse::Kind use(const char * architecture, const char * weight, int64_t m = 64) {
    return llama_cpp_use(architecture, {weight, 64, m, 2, 1.0f, {}, {}}).kind;
}

TEST(LlamaCpp, AppliesLinearsOfOrdinaryModels) {
    for (const char * linear : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
        for (const char * architecture : {"llama", "qwen3", "gemma3", "phi3"})
            EXPECT_EQ(use(architecture, (std::string("blk.11.") + linear + ".weight").c_str()), LlamaCppUse::kApplied);
    EXPECT_EQ(use("llama", "output.weight"), LlamaCppUse::kApplied);
}

TEST(LlamaCpp, IgnoresWhatItMultipliesByItself) {
    EXPECT_EQ(use("deepseek2", "blk.3.attn_kv_a_mqa.weight"), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("deepseek2", "blk.3.attn_output.weight"), LlamaCppUse::kApplied);
    EXPECT_EQ(use("deepseek2", "output.weight"), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("plm", "blk.0.attn_q.weight"), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("minicpm3", "blk.0.attn_q.weight"), LlamaCppUse::kApplied) << "attn_q_a and attn_q_b are not attn_q";
    EXPECT_EQ(use("gemma4", "per_layer_model_proj.weight"), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("gemma3n", "per_layer_model_proj.weight"), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("glm-dsa", "blk.1.indexer.attn_k.weight"), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("arwkv7", "blk.1.time_mix_w2.weight"), LlamaCppUse::kIgnored) << "the last of a row";
}

TEST(LlamaCpp, IgnoresVectors) {
    EXPECT_EQ(use("llama", "blk.0.attn_norm.weight", 1), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("llama", "output_norm.weight", 1), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("llama", "blk.0.attn_q.bias", 1), LlamaCppUse::kIgnored);
    EXPECT_EQ(use("llama", "rope_freqs.weight", 1), LlamaCppUse::kIgnored);
}

TEST(LlamaCpp, RefusesEmbeddingsAndFlatExperts) {
    EXPECT_EQ(use("llama", "token_embd.weight"), LlamaCppUse::kRefused);
    EXPECT_EQ(use("qwen3moe", "blk.0.ffn_up_exps.weight"), LlamaCppUse::kRefused);
    EXPECT_STRNE(llama_cpp_use("llama", {"token_embd.weight", 64, 64, 2, 1.0f, {}, {}}).why, "");
}

}  // namespace
}  // namespace ql::test
