// Vocabularies from files (GGUF metadata, Hugging Face directories), good and bad, and the C API that opens them.
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "ql/tokenizer.h"
#include "text/vocabularies.hpp"

namespace ql::test {
namespace {

namespace fs = std::filesystem;

class TokenizerFiles : public testing::Test {
  protected:
    void SetUp() override {
        const auto * info = testing::UnitTest::GetInstance()->current_test_info();
        folder_ = fs::temp_directory_path() / (std::string("ql_text_") + info->name() + std::to_string(getpid()));
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }
    std::string path(const char * name) const { return (folder_ / name).string(); }

    fs::path folder_;
};

using Change = void (*)(ql_gguf_writer *);

ql_status set_texts(ql_gguf_writer * writer, const char * key, const std::vector<std::string> & texts) {
    std::vector<ql_gguf_string> strings;
    for (const std::string & text : texts) strings.push_back({text.data(), text.size()});
    return ql_gguf_set_strings(writer, key, strings.data(), static_cast<int64_t>(strings.size()));
}

/// Writes a vocabulary as GGUF metadata, changed at the end by `change`.
void write_gguf(const Vocab & vocab, const std::string & path, Change change = nullptr) {
    ql_gguf_writer * writer = nullptr;
    ASSERT_EQ(ql_gguf_writer_create(&writer), QL_OK);
    const auto set_text = [&](const char * key, const std::string & text) {
        ASSERT_EQ(ql_gguf_set_string(writer, key, text.data(), text.size()), QL_OK);
    };
    const auto n = static_cast<int64_t>(vocab.tokens.size());
    const bool bpe = vocab.kind == TokenizerKind::kByteLevelBpe;
    set_text("general.architecture", "llama");
    set_text("tokenizer.ggml.model", bpe ? "gpt2" : "llama");
    set_text("tokenizer.ggml.pre", bpe ? vocab.pre : "default");
    ASSERT_EQ(set_texts(writer, "tokenizer.ggml.tokens", vocab.tokens), QL_OK);
    ASSERT_EQ(ql_gguf_set_array(writer, "tokenizer.ggml.token_type", QL_GGUF_I32, vocab.types.data(), n), QL_OK);
    if (bpe) {
        ASSERT_EQ(set_texts(writer, "tokenizer.ggml.merges", vocab.merges), QL_OK);
    } else {
        ASSERT_EQ(ql_gguf_set_array(writer, "tokenizer.ggml.scores", QL_GGUF_F32, vocab.scores.data(), n), QL_OK);
    }
    ASSERT_EQ(ql_gguf_set_int(writer, "tokenizer.ggml.bos_token_id", QL_GGUF_U32, vocab.bos), QL_OK);
    ASSERT_EQ(ql_gguf_set_int(writer, "tokenizer.ggml.eos_token_id", QL_GGUF_U32, vocab.eos), QL_OK);
    if (change) change(writer);
    ASSERT_EQ(ql_gguf_write(writer, path.c_str()), QL_OK) << ql_error_message();
    ql_gguf_writer_free(writer);
}

std::string why_not_opened(const std::string & path) {
    ql_tokenizer * tokenizer = nullptr;
    if (ql_tokenizer_open(path.c_str(), &tokenizer) != QL_OK) return ql_error_message();
    ql_tokenizer_free(tokenizer);
    return "";
}

TEST_F(TokenizerFiles, AreReadFromGgufMetadata) {
    write_gguf(byte_level_vocab("smollm"), path("bpe.gguf"));
    auto bpe = open_tokenizer(path("bpe.gguf"));
    ASSERT_TRUE(bpe.ok()) << bpe.message();
    EXPECT_EQ(bpe->encode("abc</s>", true, true), (std::vector<int32_t>{257, 261}));
    write_gguf(sentence_piece_vocab(), path("spm.gguf"));
    auto spm = open_tokenizer(path("spm.gguf"));
    ASSERT_TRUE(spm.ok()) << spm.message();
    EXPECT_EQ(spm->encode("ab", true, true), (std::vector<int32_t>{1, 264}))
        << "adds bos and a space unless told not to";
}

TEST_F(TokenizerFiles, TakeTheModelsFlagsOverDefaults) {
    write_gguf(sentence_piece_vocab(), path("a.gguf"), [](ql_gguf_writer * writer) {
        ASSERT_EQ(ql_gguf_set_bool(writer, "tokenizer.ggml.add_bos_token", 0), QL_OK);
        ASSERT_EQ(ql_gguf_set_bool(writer, "tokenizer.ggml.add_eos_token", 1), QL_OK);
        ASSERT_EQ(ql_gguf_set_bool(writer, "tokenizer.ggml.add_space_prefix", 0), QL_OK);
    });
    auto tokenizer = open_tokenizer(path("a.gguf"));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->encode("ab", true, true), (std::vector<int32_t>{263, 2}));
}

/// The tokens of a text, with special tokens parsed; `notes` takes the file's notes.
std::vector<int32_t> encode_with(const std::string & path, const std::string & text, std::vector<std::string> & notes) {
    auto tokenizer = open_tokenizer(path);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.message();
    if (!tokenizer.ok()) return {};
    notes = tokenizer->notes();
    return tokenizer->encode(text, false, true);
}

TEST_F(TokenizerFiles, TakeKnownEndTokensForControlTokensWhateverTheirType) {
    for (const TokenType type : {TokenType::kNormal, TokenType::kUserDefined, TokenType::kUnused}) {
        Vocab vocab = byte_level_vocab();
        vocab.types[262] = type;
        write_gguf(vocab, path("a.gguf"));
        std::vector<std::string> notes;
        EXPECT_EQ(encode_with(path("a.gguf"), "ab<|im_end|>", notes), (std::vector<int32_t>{256, 262}));
        ASSERT_EQ(notes.size(), 1U);
        EXPECT_NE(notes[0].find("token 262 '<|im_end|>' ends a reply"), std::string::npos) << notes[0];
        auto tokenizer = open_tokenizer(path("a.gguf"));
        EXPECT_TRUE(tokenizer->is_end_of_generation(262) && tokenizer->is_control(262));
        EXPECT_EQ(tokenizer->eot(), 262);
    }
}

TEST_F(TokenizerFiles, TakeEosForAControlTokenUnlessTextCanBecomeIt) {
    Vocab vocab = byte_level_vocab();
    vocab.tokens[261] = "<done>";
    vocab.types[261] = TokenType::kNormal;
    write_gguf(vocab, path("a.gguf"));
    std::vector<std::string> notes;
    EXPECT_EQ(encode_with(path("a.gguf"), "ab<done>", notes), (std::vector<int32_t>{256, 261}));
    EXPECT_EQ(notes.size(), 1U);
    for (const int32_t eos : {10, 256}) {  // the newline; "ab", which a merge makes
        vocab.eos = eos;
        write_gguf(vocab, path("a.gguf"));
        EXPECT_EQ(encode_with(path("a.gguf"), "ab\n", notes), (std::vector<int32_t>{256, 10})) << eos;
        EXPECT_TRUE(notes.empty());
    }
    vocab = sentence_piece_vocab();
    vocab.eos = 263;
    write_gguf(vocab, path("a.gguf"));
    EXPECT_EQ(encode_with(path("a.gguf"), "bab", notes), (std::vector<int32_t>{259, 261, 263}));
}

TEST_F(TokenizerFiles, PassOverPaddingAndUnknownBeyondTheVocabulary) {
    write_gguf(byte_level_vocab(), path("a.gguf"), [](ql_gguf_writer * writer) {
        ASSERT_EQ(ql_gguf_set_int(writer, "tokenizer.ggml.padding_token_id", QL_GGUF_U32, 264), QL_OK);
        ASSERT_EQ(ql_gguf_set_int(writer, "tokenizer.ggml.unknown_token_id", QL_GGUF_I64, int64_t{1} << 40), QL_OK);
    });
    auto tokenizer = open_tokenizer(path("a.gguf"));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->padding(), -1);
    EXPECT_EQ(tokenizer->unknown(), -1);
    ASSERT_EQ(tokenizer->notes().size(), 2U);
    EXPECT_NE(tokenizer->notes()[1].find("264 is outside the vocabulary of 264 tokens"), std::string::npos);
}

TEST_F(TokenizerFiles, SwallowSpaceBehindSpecialTokensOfPhi3) {
    write_gguf(sentence_piece_vocab(), path("a.gguf"), [](ql_gguf_writer * writer) {
        ASSERT_EQ(ql_gguf_set_string(writer, "general.name", "Phi-3 mini", 10), QL_OK);
    });
    auto tokenizer = open_tokenizer(path("a.gguf"));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->encode("</s>\n a<s> a", false, true), (std::vector<int32_t>{2, 262, 1, 259, 262}));
}

TEST_F(TokenizerFiles, WithBadMetadataAreRefused) {
    struct Case {
        Change change;
        const char * message;
    };
    const Case cases[] = {
        {[](auto * w) { (void)ql_gguf_set_string(w, "tokenizer.ggml.model", "bert", 4); },
         "tokenizer.ggml.model: 'bert' is not supported"},
        {[](auto * w) { (void)ql_gguf_set_string(w, "tokenizer.ggml.pre", "viking", 6); }, "'viking' is not known"},
        {[](auto * w) { (void)ql_gguf_set_int(w, "tokenizer.ggml.eos_token_id", QL_GGUF_U32, 264); }, "eos id 264"},
        {[](auto * w) { (void)ql_gguf_set_string(w, "tokenizer.ggml.bos_token_id", "1", 1); }, "bos_token_id"},
        {[](auto * w) { (void)ql_gguf_set_int(w, "tokenizer.ggml.add_bos_token", QL_GGUF_U32, 1); }, "add_bos_token"},
        {[](auto * w) {
             const int32_t types[] = {1, 2};
             (void)ql_gguf_set_array(w, "tokenizer.ggml.token_type", QL_GGUF_I32, types, 2);
         },
         "2 token types for 264 tokens"},
        {[](auto * w) {
             const int32_t types[] = {7};
             (void)ql_gguf_set_array(w, "tokenizer.ggml.token_type", QL_GGUF_I32, types, 1);
         },
         "7 is no token type"},
        {[](auto * w) {
             const float tokens[] = {1};
             (void)ql_gguf_set_array(w, "tokenizer.ggml.tokens", QL_GGUF_F32, tokens, 1);
         },
         "tokenizer.ggml.tokens"},
    };
    for (const Case & bad : cases) {
        write_gguf(byte_level_vocab(), path("bad.gguf"), bad.change);
        EXPECT_NE(why_not_opened(path("bad.gguf")).find(bad.message), std::string::npos)
            << bad.message << " / " << why_not_opened(path("bad.gguf"));
    }
    EXPECT_NE(why_not_opened(path("absent.gguf")), "");
}

nlohmann::json hugging_face(const Vocab & vocab) {
    nlohmann::json document, tokens, added = nlohmann::json::array();
    for (size_t i = 0; i < vocab.tokens.size(); i++) {
        if (vocab.types[i] == TokenType::kNormal) {
            tokens[vocab.tokens[i]] = i;
        } else {
            added.push_back(
                {{"id", i}, {"content", vocab.tokens[i]}, {"special", vocab.types[i] == TokenType::kControl}});
        }
    }
    document["model"] = {{"type", "BPE"}, {"vocab", tokens}, {"merges", vocab.merges}};
    document["added_tokens"] = added;
    document["pre_tokenizer"] = {{"type", "Sequence"},
                                 {"pretokenizers",
                                  {{{"type", "Digits"}, {"individual_digits", true}},
                                   {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}}}};
    return document;
}

void write_text(const std::string & path, const std::string & text) {
    std::ofstream(path, std::ios::binary) << text;
}

TEST_F(TokenizerFiles, AreReadFromHuggingFaceDirectories) {
    nlohmann::json document = hugging_face(byte_level_vocab());
    document["model"]["merges"][0] = {"a", "b"};  // the newer form
    document["added_tokens"][2]["rstrip"] = true;
    document["post_processor"] = {{"type", "TemplateProcessing"},
                                  {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}}};
    write_text(path("tokenizer.json"), document.dump());
    write_text(path("tokenizer_config.json"),
               R"({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null})");
    auto tokenizer = Tokenizer::from_hf(folder_.string());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->encode("abc<|im_end|> 12@user", true, true),
              (std::vector<int32_t>{260, 257, 262, '1', '2', 263}));
    EXPECT_EQ(tokenizer->eos(), 261);
    EXPECT_EQ(tokenizer->padding(), -1);
    EXPECT_EQ(tokenizer->eot(), 262);
}

TEST_F(TokenizerFiles, TakeHuggingFaceExpressionsThatMeanTheSame) {
    const auto with_pattern = [&](const std::string & pattern) {
        nlohmann::json document = hugging_face(byte_level_vocab());
        document["pre_tokenizer"]["pretokenizers"] = {
            {{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}},
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}};
        write_text(path("tokenizer.json"), document.dump());
        return Tokenizer::from_hf(folder_.string());
    };
    const std::string llama3 =
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    auto tokenizer = with_pattern(llama3);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->encode("1234ab  a", true, true), (std::vector<int32_t>{'1', '2', '3', '4', 256, ' ', 258}));
    tokenizer = with_pattern("\\w+");
    ASSERT_FALSE(tokenizer.ok());
    EXPECT_NE(tokenizer.message().find("expression '\\w+': '\\w' is not supported, at byte 1"), std::string::npos)
        << tokenizer.message();
}

TEST_F(TokenizerFiles, OfHuggingFaceThatAreNotUnderstoodAreRefused) {
    const auto refused = [&](const std::string & text) {
        write_text(path("tokenizer.json"), text);
        const auto vocab = vocab_from_hf(folder_.string());
        return vocab.ok() ? std::string() : vocab.message();
    };
    EXPECT_NE(refused(R"({"model": {"type": "WordPiece"}})").find("'WordPiece' is not supported"), std::string::npos);
    EXPECT_NE(refused(R"({"model": {"type": "BPE", "byte_fallback": true}})").find("no vocab"), std::string::npos);
    EXPECT_NE(refused("[1, 2]").find("no JSON object"), std::string::npos);
    EXPECT_NE(refused("{").find("tokenizer.json: line 1, byte 1"), std::string::npos);
    EXPECT_NE(refused("{}"), "");
    EXPECT_NE(refused(R"({"model": {"type": "BPE", "vocab": {"a": 99999999}, "merges": []}})").find("no usable id"),
              std::string::npos);
    EXPECT_NE(refused(R"({"model": {"type": "BPE", "vocab": {"a": 1.5}, "merges": []}})").find("no usable id"),
              std::string::npos);
    EXPECT_NE(refused(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [1]}})").find("merge 0"),
              std::string::npos);
    EXPECT_NE(refused(R"({"normalizer": {"type": "Lowercase"}, "model": {}})").find("'Lowercase'"), std::string::npos);
    nlohmann::json document = hugging_face(byte_level_vocab());
    document["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
    EXPECT_NE(refused(document.dump()).find("'BertPreTokenizer'"), std::string::npos);
}

TEST_F(TokenizerFiles, ServeTheCApi) {
    write_gguf(byte_level_vocab(), path("a.gguf"));
    ql_tokenizer * tokenizer = nullptr;
    ASSERT_EQ(ql_tokenizer_open(path("a.gguf").c_str(), &tokenizer), QL_OK) << ql_error_message();
    EXPECT_EQ(ql_tokenizer_n_tokens(tokenizer), 264);
    EXPECT_EQ(ql_tokenizer_eos(tokenizer), 261);
    EXPECT_EQ(ql_tokenizer_is_end(tokenizer, 262), 1);
    int64_t n = 0;
    const std::string text = "xabc<|im_end|>";
    ASSERT_EQ(ql_tokenize(tokenizer, text.data(), text.size(), QL_TOKENIZE_PARSE_SPECIAL, nullptr, nullptr, 0, &n),
              QL_OK);
    ASSERT_EQ(n, 3);
    int32_t ids[3] = {-1, -1, -1};
    ql_token_span spans[3];
    EXPECT_EQ(ql_tokenize(tokenizer, text.data(), text.size(), QL_TOKENIZE_PARSE_SPECIAL, ids, spans, 2, &n),
              QL_INVALID_ARGUMENT);
    EXPECT_STREQ(ql_error_message(), "ql_tokenize: room for 2, 3 needed");
    EXPECT_EQ(ids[0], -1);
    ASSERT_EQ(ql_tokenize(tokenizer, text.data(), text.size(), QL_TOKENIZE_PARSE_SPECIAL, ids, spans, 3, &n), QL_OK);
    EXPECT_EQ(ids[1], 257);
    EXPECT_EQ(spans[1].begin, 1U);
    EXPECT_EQ(spans[1].end, 4U);
    char out[32];
    size_t size = 0;
    ASSERT_EQ(ql_detokenize(tokenizer, ids, 3, QL_DETOKENIZE_RENDER_SPECIAL, out, sizeof out, &size), QL_OK);
    EXPECT_EQ(std::string(out, size), text);
    EXPECT_EQ(ql_detokenize(tokenizer, ids, 3, 0, out, 2, &size), QL_INVALID_ARGUMENT);
    EXPECT_EQ(size, 4U);
    ids[0] = 264;
    EXPECT_EQ(ql_detokenize(tokenizer, ids, 3, 0, out, sizeof out, &size), QL_INVALID_ARGUMENT);
    const char * piece = nullptr;
    ASSERT_EQ(ql_token_piece(tokenizer, 258, &piece, &size), QL_OK);
    EXPECT_EQ(std::string(piece, size), " a");
    EXPECT_EQ(ql_token_piece(tokenizer, -1, &piece, &size), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_tokenize(tokenizer, text.data(), text.size(), 64, nullptr, nullptr, 0, &n), QL_INVALID_ARGUMENT);
    EXPECT_EQ(ql_tokenize(nullptr, "", 0, 0, nullptr, nullptr, 0, &n), QL_INVALID_ARGUMENT);
    ql_tokenizer_free(tokenizer);
    ql_tokenizer_free(nullptr);
    EXPECT_EQ(ql_tokenizer_open(nullptr, &tokenizer), QL_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace ql::test
