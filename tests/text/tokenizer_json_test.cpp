// tokenizer.json against the library whose format it is: random set-ups and odd texts (tokenizer_cases.json, written by
// make_tokenizer_cases.py), more cases from $QL_TOKENIZER_CASES; and what is refused by name.
#include <unistd.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "support/growth.hpp"
#include "text/vocabularies.hpp"

namespace ql::test {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

class TokenizerJson : public testing::Test {
  protected:
    void SetUp() override {
        const auto * info = testing::UnitTest::GetInstance()->current_test_info();
        folder_ = fs::temp_directory_path() / (std::string("ql_json_") + info->name() + std::to_string(getpid()));
        fs::create_directories(folder_);
    }
    void TearDown() override { fs::remove_all(folder_); }

    Result<Tokenizer> open(const json & document) const {
        std::ofstream(folder_ / "tokenizer.json", std::ios::binary) << document.dump();
        return Tokenizer::from_hf(folder_.string());
    }
    std::string why_refused(const json & document) const {
        auto tokenizer = open(document);
        return tokenizer.ok() ? "" : tokenizer.message();
    }

    fs::path folder_;
};

/// Runs the cases of one file; returns how many there were.
size_t run_cases(const std::string & path, const std::function<Result<Tokenizer>(const json &)> & open) {
    const json file = json::parse(read_text(path));
    size_t n = 0;
    for (const json & setup : file.at("setups")) {
        auto tokenizer = open(setup.at("tokenizer"));
        if (!tokenizer.ok()) {
            ADD_FAILURE() << tokenizer.message() << "\n" << setup["tokenizer"]["pre_tokenizer"].dump();
            continue;
        }
        for (const json & test : setup.at("cases")) {
            const auto & text = test.at(0).get_ref<const std::string &>();
            const Encoding encoding = tokenizer->encode_with_spans(text, false, true);
            const auto expected = test.at(1).get<std::vector<int32_t>>();
            n++;
            if (encoding.tokens != expected) {
                json about = setup["tokenizer"];
                about["model"].erase("vocab"), about["model"].erase("merges");
                ADD_FAILURE() << "text " << test.at(0).dump() << "\nhas   " << json(encoding.tokens).dump()
                              << "\nwants " << test.at(1).dump() << "\n"
                              << about.dump();
                break;
            }
            if (!expected.empty()) expect_spans_cover(encoding, text.size());
        }
    }
    return n;
}

TEST_F(TokenizerJson, GivesTheTokensOfItsOwnLibrary) {
    const auto open_setup = [this](const json & document) { return open(document); };
    EXPECT_GT(run_cases(std::string(QL_SOURCE_DIR) + "/tests/text/tokenizer_cases.json", open_setup), 1000U);
    if (const char * more = std::getenv("QL_TOKENIZER_CASES")) {
        const size_t n = run_cases(more, open_setup);
        EXPECT_GT(n, 0U);
        std::printf("%s: %zu texts\n", more, n);
    }
}

/// Tokens 0..255 are the bytes, 256 "ab", 257 "12", 258 "123"; then the added tokens.
json small(const json & added = json::array()) {
    json tokens;
    for (int byte = 0; byte < 256; byte++) tokens[byte_level_encode(std::string(1, static_cast<char>(byte)))] = byte;
    tokens["ab"] = 256, tokens["12"] = 257, tokens["123"] = 258;
    json document = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", json::array()},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
                     {"post_processor", nullptr},
                     {"decoder", {{"type", "ByteLevel"}}},
                     {"model", {{"type", "BPE"}, {"vocab", tokens}, {"merges", {"a b", "1 2", "12 3"}}}}};
    for (json token : added) {
        token["id"] = 259 + document["added_tokens"].size();
        document["added_tokens"].push_back(token);
    }
    return document;
}

TEST_F(TokenizerJson, CutsDigitsBesideASplit) {
    json document = small();
    document["pre_tokenizer"] = {
        {"type", "Sequence"},
        {"pretokenizers",
         {{{"type", "Split"}, {"pattern", {{"Regex", "\\s+"}}}, {"behavior", "Isolated"}, {"invert", false}},
          {{"type", "Digits"}, {"individual_digits", true}},
          {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
    auto tokenizer = open(document);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->encode("ab 123", false, true), (std::vector<int32_t>{256, ' ', '1', '2', '3'}));
    document["pre_tokenizer"]["pretokenizers"].erase(1);
    tokenizer = open(document);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->encode("ab 123", false, true), (std::vector<int32_t>{256, ' ', 258}));
}

TEST_F(TokenizerJson, FindsAddedTokensAsTheyAskFor) {
    const auto encode = [this](const json & added, const std::string & text) {
        auto tokenizer = open(small(added));
        EXPECT_TRUE(tokenizer.ok()) << tokenizer.message();
        return tokenizer.ok() ? tokenizer->encode(text, false, true) : std::vector<int32_t>();
    };
    const json word = {{{"content", "tag"}, {"single_word", true}, {"special", false}, {"normalized", false}}};
    EXPECT_EQ(encode(word, "stage x tag"), (std::vector<int32_t>{'s', 't', 'a', 'g', 'e', ' ', 'x', ' ', 259}));
    const json strips = {{{"content", "<t>"}, {"lstrip", true}, {"rstrip", true}, {"special", true}}};
    EXPECT_EQ(encode(strips, "a\u00A0<t>\u3000 b"), (std::vector<int32_t>{'a', 259, 'b'}));
    const json overlap = {{{"content", "xyz"}, {"special", true}}, {{"content", "yzzz"}, {"special", true}}};
    EXPECT_EQ(encode(overlap, "xyzzz"), (std::vector<int32_t>{259, 'z', 'z'})) << "from left to right";
}

TEST_F(TokenizerJson, RefusesWhatItDoesNotFollowByName) {
    const auto with = [](const char * pointer, const json & value) {
        json document = small();
        document[json::json_pointer(pointer)] = value;
        return document;
    };
    const std::pair<json, const char *> cases[] = {
        {with("/surprise", 1), "tokenizer.json: field 'surprise' is not known, with 1"},
        {with("/model/type", "WordPiece"), "model: type 'WordPiece' is not supported"},
        {with("/model/dropout", 0.1), "model: dropout is not supported"},
        {with("/model/continuing_subword_prefix", "##"), "continuing_subword_prefix is not supported"},
        {with("/model/end_of_word_suffix", "</w>"), "end_of_word_suffix is not supported"},
        {with("/model/fuse_unk", 1), "model: 'fuse_unk' must be true or false, got 1"},
        {with("/model/merges", {"a q"}), "not all of its symbols are tokens"},
        {with("/normalizer", {{"type", "NFKD"}}), "normalizer 'NFKD' is not supported"},
        {with("/normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", " *"}}}, {"content", ""}}),
         "normalizer Replace: an expression that may match nothing"},
        {with("/normalizer",
              {{"type", "Replace"}, {"pattern", {{"String", "a"}}}, {"content", std::string(1000, 'a')}}),
         "normalizer Replace: a text that would become so much longer"},
        {with("/pre_tokenizer", {{"type", "Whitespace"}}), "pre_tokenizer 'Whitespace' is not supported"},
        {with("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "\\bx"}}}, {"behavior", "Isolated"}}),
         "'\\b' is not supported, at byte 1"},
        {with("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"Regex", "(a+)+"}}}, {"behavior", "Isolated"}}),
         "a repetition of what repeats"},
        {with("/pre_tokenizer", {{"type", "Split"}, {"pattern", {{"String", "x"}}}, {"behavior", "Odd"}}),
         "behavior 'Odd' is not known"},
        {with("/pre_tokenizer/surprise", true), "pre_tokenizer ByteLevel: field 'surprise' is not known"},
        {with("/post_processor", {{"type", "BertProcessing"}}), "post_processor 'BertProcessing' is not supported"},
        {with("/decoder", {{"type", "WordPiece"}}), "decoder 'WordPiece' is not supported"},
        {small({{{"content", "<q>"}, {"surprise", 2}}}), "added token 259: field 'surprise' is not known"},
    };
    ASSERT_EQ(why_refused(small()), "");
    for (const auto & [document, message] : cases) {
        EXPECT_NE(why_refused(document).find(message), std::string::npos) << message << " / " << why_refused(document);
    }
}

TEST_F(TokenizerJson, TakesTensOfThousandsOfAddedTokens) {
    json added = json::array();
    std::string text;
    for (int i = 0; i < 40000; i++) {
        added.push_back(
            {{"content", format("<|%d|>", i)}, {"lstrip", true}, {"rstrip", true}, {"special", i % 2 == 0}});
        text += format(" <|%d|>", i);
    }
    const double start = thread_seconds();
    auto tokenizer = open(small(added));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    const auto ids = tokenizer->encode(text, false, true);
    EXPECT_EQ(ids.size(), 40000U);
    EXPECT_EQ(ids[1], 260);
    EXPECT_LT(thread_seconds() - start, 20);
}

TEST_F(TokenizerJson, LetsTokenizerConfigChangeAddedTokens) {
    const json document = small({{{"content", "<t>"}, {"rstrip", true}, {"special", true}}});
    std::ofstream(folder_ / "tokenizer_config.json")
        << R"({"added_tokens_decoder": {"259": {"content": "<t>", "lstrip": true, "special": true}},
               "eos_token": "<t>", "pad_token": "<none>"})";
    auto tokenizer = open(document);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->encode("q <t> q", false, true), (std::vector<int32_t>{'q', 259, ' ', 'q'}));
    EXPECT_EQ(tokenizer->eos(), 259);
    ASSERT_EQ(tokenizer->notes().size(), 1U);
    EXPECT_NE(tokenizer->notes()[0].find("pad_token '<none>'"), std::string::npos);
}

TEST_F(TokenizerJson, TakesTheTokensThatATemplateAdds) {
    json document = small({{{"content", "<s>"}, {"special", true}}, {{"content", "</s>"}, {"special", true}}});
    document["post_processor"] = {{"type", "TemplateProcessing"},
                                  {"single",
                                   {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
                                    {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                                    {{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}}}},
                                  {"pair", json::array()},
                                  {"special_tokens", json::object()}};
    auto tokenizer = open(document);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    EXPECT_EQ(tokenizer->encode("ab", true, true), (std::vector<int32_t>{259, 256, 260}));
    document["post_processor"]["single"].push_back({{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}});
    EXPECT_NE(why_refused(document).find("more than one token on one side"), std::string::npos);
}

}  // namespace
}  // namespace ql::test
