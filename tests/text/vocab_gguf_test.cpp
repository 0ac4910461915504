// Vocabularies of directories as GGUF metadata: the pre-tokenizers of known models are found by what they do.
#include "models/text/vocab_gguf.hpp"

#include <gtest/gtest.h>

#include "models/text/tokenizer_json.hpp"

namespace ql {
namespace {

Json split(const char * regex) {
    return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

const Json kByteLevel = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}};
const Json kGpt2 = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
const Json kDigits = {{"type", "Digits"}, {"individual_digits", true}};

std::string name_of(const std::vector<Json> & steps, bool ignore_merges = false, bool add_bos = false) {
    Vocab vocab;
    const Status read = read_json_pre_tokenizer({{"type", "Sequence"}, {"pretokenizers", steps}}, vocab);
    EXPECT_TRUE(read.ok()) << read.message();
    vocab.ignore_merges = ignore_merges, vocab.add_bos = add_bos;
    const auto name = gguf_pre_tokenizer(vocab);
    return name.ok() ? *name : name.message();
}

constexpr char kLlama3[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kQwen2[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kTekken[] = R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
                           R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
                           R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr char kO200k[] =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

TEST(GgufPreTokenizer, IsFoundByWhatItMakesOfText) {
    EXPECT_EQ(name_of({kGpt2}), "gpt-2");
    EXPECT_EQ(name_of({kDigits, kGpt2}), "smollm");
    EXPECT_EQ(name_of({split(kLlama3), kByteLevel}, true, true), "llama-bpe");
    EXPECT_EQ(name_of({split(kLlama3), kByteLevel}, true, false), "glm4");
    EXPECT_EQ(name_of({split(kLlama3), kByteLevel}), "dbrx");
    EXPECT_EQ(name_of({split(kQwen2), kByteLevel}), "qwen2");
    EXPECT_EQ(name_of({split(kTekken), kByteLevel}, true, true), "tekken");
    EXPECT_EQ(name_of({split(kO200k), kByteLevel}), "gpt-4o");
}

TEST(GgufPreTokenizer, OfNoNameIsRefused) {
    EXPECT_NE(name_of({split(R"(\p{N}{1,2}|[^\p{N}]+)"), kByteLevel}).find("no pre-tokenizer"), std::string::npos);
    EXPECT_NE(name_of({kDigits, kGpt2}, true).find("no pre-tokenizer"), std::string::npos);
}

}  // namespace
}  // namespace ql
