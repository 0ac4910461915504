// tokenizer.model against SentencePiece itself (sentence_piece_cases.json, written by make_sentence_piece_cases.py),
// with more cases from $QL_SENTENCE_PIECE_CASES; and files that are not such models.
#include "models/text/sentence_piece_model.hpp"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "text/vocabularies.hpp"

namespace ql::test {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

std::string committed_cases() {
    return std::string(QL_SOURCE_DIR) + "/tests/text/sentence_piece_cases.json";
}

std::string model_of(const json & file) {
    const auto & digits = file.at("model").get_ref<const std::string &>();
    std::string bytes;
    for (size_t i = 0; i + 1 < digits.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    return bytes;
}

void run_cases(const std::string & path) {
    const json file = json::parse(read_text(path));
    const auto folder = fs::temp_directory_path() / ("ql_spm_" + std::to_string(getpid()));
    fs::create_directories(folder);
    std::ofstream(folder / "tokenizer.model", std::ios::binary) << model_of(file);
    const auto tokenizer = Tokenizer::from_hf(folder.string());
    fs::remove_all(folder);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->bos(), 1);
    EXPECT_EQ(tokenizer->eos(), 2);
    for (const json & test : file.at("cases")) {
        const auto & text = test.at(0).get_ref<const std::string &>();
        EXPECT_EQ(tokenizer->encode(text, false, false), test.at(1).get<std::vector<int32_t>>()) << test.at(0).dump();
        if (text.find("\xE2\x96\x81") != text.npos) continue;  // U+2581 comes back as a space in SentencePiece, too
        EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true, false), false), text);
    }
    std::printf("%s: %zu texts\n", path.c_str(), file["cases"].size());
}

TEST(SentencePieceModel, GivesTheTokensOfItsOwnLibrary) {
    run_cases(committed_cases());
    if (const char * more = std::getenv("QL_SENTENCE_PIECE_CASES")) run_cases(more);
}

TEST(SentencePieceModel, CutShortAnywhereIsRefusedOrWhole) {
    const std::string model = model_of(json::parse(read_text(committed_cases())));
    ASSERT_TRUE(read_sentence_piece_model(model).ok());
    size_t n_refused = 0;
    for (size_t size = 0; size < model.size(); size++) {
        n_refused += !read_sentence_piece_model(std::string_view(model).substr(0, size)).ok();
    }
    EXPECT_EQ(n_refused, model.size()) << "what text is prepared by stands at the end";
}

TEST(SentencePieceModel, OfAnotherKindIsRefusedByName) {
    const auto refused = [](const std::string & bytes) {
        const auto vocab = read_sentence_piece_model(bytes);
        return vocab.ok() ? std::string() : vocab.message();
    };
    const std::string piece =
                          "\x0A\x05\x0A\x03"
                          "abc",
                      bpe = "\x12\x02\x18\x02";
    EXPECT_NE(refused(piece).find("trainer_spec is missing"), std::string::npos);
    EXPECT_NE(refused(piece + "\x12\x02\x18\x03").find("another algorithm than BPE and Unigram"), std::string::npos);
    EXPECT_NE(refused(piece + "\x12\x02\x18\x01").find("normalizer_spec is missing"), std::string::npos);
    EXPECT_NE(refused(piece + bpe).find("remove_extra_whitespaces"), std::string::npos);
    EXPECT_NE(refused(piece + bpe + std::string("\x1A\x05\x12\x01x\x20\x00", 7)).find("precompiled_charsmap"),
              std::string::npos);
    EXPECT_NE(refused(piece + std::string("\x12\x05\x18\x02\xC0\x01\x01", 7)).find("treat_whitespace_as_suffix"),
              std::string::npos);
    EXPECT_EQ(refused(piece + bpe + std::string("\x1A\x02\x20\x00", 4)), "");
    EXPECT_NE(refused("\x0A\x07\x0A\x03"
                      "abc\x18\x09")
                  .find("piece 0 has no known type"),
              std::string::npos);
    EXPECT_NE(refused("\xFF\xFF").find("is no SentencePiece model"), std::string::npos);
}

}  // namespace
}  // namespace ql::test
