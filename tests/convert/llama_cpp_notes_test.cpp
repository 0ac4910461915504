// What ql-convert says of files that llama.cpp refuses.
#include "models/convert/llama_cpp_notes.hpp"

#include <gtest/gtest.h>

namespace ql::test {
namespace {

void expect_note(const char * arch, const std::vector<std::string> & tensors, const std::string & part) {
    const std::vector<std::string> notes = llama_cpp_notes(arch, tensors);
    ASSERT_EQ(notes.size(), part.empty() ? 0u : 1u) << arch;
    if (!part.empty()) {
        EXPECT_NE(notes[0].find(part), std::string::npos) << notes[0];
    }
}

TEST(LlamaCppNotes, NameTheBiasThatItDoesNotKnow) {
    for (const char * arch : {"qwen3", "qwen2", "gemma3", "smollm3", "phi3", "glm4"}) {
        for (const char * name : {"blk.0.attn_output.bias", "blk.1.ffn_down.bias", "blk.0.ffn_gate.bias"})
            expect_note(arch, {"blk.0.attn_q.bias", name, "blk.3.ffn_up.bias"}, std::string("'") + name + "'");
        expect_note(arch, {"blk.0.attn_q.bias", "blk.0.attn_k.bias", "blk.0.attn_v.bias", "blk.0.attn_qkv.bias"}, "");
        expect_note(arch, {"blk.0.attn_output.weight", "output.weight"}, "");
    }
    for (const char * arch : {"llama", "granite", "mistral3"}) expect_note(arch, {"blk.0.attn_output.bias"}, "");
}

TEST(LlamaCppNotes, NameTheHeadThatIsThereOrMissing) {
    expect_note("gemma2", {"token_embd.weight", "output.weight"}, "embedding for the head of a model of type 'gemma2'");
    expect_note("gemma2", {"token_embd.weight", "output_norm.weight"}, "");
    expect_note("olmo2", {"token_embd.weight"}, "head beside the embedding in a model of type 'olmo2'");
    expect_note("olmo2", {"token_embd.weight", "output.weight"}, "");
    expect_note("gemma3", {"token_embd.weight", "output.weight"}, "");
}

}  // namespace
}  // namespace ql::test
