// End tokens of Hugging Face directories: every file that names them counts, in transformers' order.
#include "models/text/end_tokens_hf.hpp"

#include <gtest/gtest.h>

#include "support/temporary_folder.hpp"
#include "text/vocabularies.hpp"

namespace ql::test {
namespace {

class EndTokensOfHuggingFace : public testing::Test {
  protected:
    /// The vocabulary of the files written so far; tokenizer_config.json named no special token.
    Vocab complete() {
        Vocab vocab = byte_level_vocab();
        vocab.bos = vocab.eos = -1;
        const Status status = complete_special_tokens(folder_.path(""), vocab);
        EXPECT_TRUE(status.ok()) << status.message();
        return vocab;
    }

    TemporaryFolder folder_;
};

TEST_F(EndTokensOfHuggingFace, ComeFromTheMapOfSpecialTokens) {
    folder_.write("special_tokens_map.json", R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>",
        "pad_token": null, "unk_token": "nonsense", "additional_special_tokens": ["x"]})");
    const Vocab vocab = complete();
    EXPECT_EQ(vocab.bos, 260);
    EXPECT_EQ(vocab.eos, 261);
    EXPECT_EQ(vocab.padding, -1);
    EXPECT_EQ(vocab.unknown, -1);
}

TEST_F(EndTokensOfHuggingFace, WhatTheTokenizersConfigNamedStays) {
    folder_.write("special_tokens_map.json", R"({"eos_token": "</s>"})");
    Vocab vocab = byte_level_vocab();
    vocab.eos = 262;
    ASSERT_TRUE(complete_special_tokens(folder_.path(""), vocab).ok());
    EXPECT_EQ(vocab.eos, 262);
}

TEST_F(EndTokensOfHuggingFace, ComeFromTheConfigAsANumberOrAList) {
    folder_.write("config.json", R"({"text_config": {"eos_token_id": 261}})");
    EXPECT_EQ(complete().eos, 261);
    folder_.write("config.json", R"({"eos_token_id": 262, "text_config": {"eos_token_id": 261}})");
    EXPECT_EQ(complete().eos, 262);
    folder_.write("generation_config.json", R"({"eos_token_id": [261, 260]})");
    EXPECT_EQ(complete().eos, 261);
    const Tokenizer tokenizer = make(complete());
    EXPECT_TRUE(tokenizer.is_end_of_generation(260));
    EXPECT_FALSE(tokenizer.is_end_of_generation('a'));
}

TEST_F(EndTokensOfHuggingFace, IdsOfAnotherModelArePassedOver) {
    for (const char * ids :
         {"97", "264", "-1", "2.5", "[97, 50256]", "\"</s>\"", "18446744073709551615", "[[261]]", "{}"}) {
        folder_.write("generation_config.json", format(R"({"eos_token_id": %s})", ids));
        EXPECT_EQ(complete().eos, -1) << ids;
        EXPECT_TRUE(complete().ends.empty()) << ids;
    }
}

TEST_F(EndTokensOfHuggingFace, DamagedFileIsNamed) {
    folder_.write("generation_config.json", "{");
    Vocab vocab = byte_level_vocab();
    const Status status = complete_special_tokens(folder_.path(""), vocab);
    EXPECT_EQ(status.code(), QL_BAD_FILE);
    EXPECT_NE(status.message().find("generation_config.json: line 1"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace ql::test
