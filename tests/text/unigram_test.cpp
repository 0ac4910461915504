// Unigram tokenizers against the libraries whose files they are (unigram_cases.json, written by
// make_unigram_cases.py), against a search over all paths, and what is refused.
#include "models/text/unigram.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "models/text/normalizer.hpp"
#include "models/text/sentence_piece_model.hpp"
#include "models/text/vocab_gguf.hpp"
#include "ql/ql.hpp"
#include "support/temporary_folder.hpp"
#include "text/vocabularies.hpp"

namespace ql::test {
namespace {

using json = nlohmann::ordered_json;

constexpr char kSpace[] = "\xE2\x96\x81";

const json & cases() {
    static const json file = json::parse(read_text(std::string(QL_SOURCE_DIR) + "/tests/text/unigram_cases.json"));
    return file;
}

std::string bytes_of(const std::string & digits) {
    std::string bytes;
    for (size_t i = 0; i + 1 < digits.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
    return bytes;
}

class Unigram : public testing::Test {
  protected:
    Result<Tokenizer> open(const std::string & name, const std::string & bytes) const {
        folder_.write(name, bytes);
        auto tokenizer = Tokenizer::from_hf(folder_.path(""));
        std::filesystem::remove(folder_.path(name));
        return tokenizer;
    }
    std::string why_refused(const json & document) const {
        const auto tokenizer = open("tokenizer.json", document.dump());
        return tokenizer.ok() ? "accepted" : tokenizer.message();
    }
    TemporaryFolder folder_;
};

void expect_cases(const Tokenizer & tokenizer, const json & list, const std::string & what, bool specials) {
    for (const json & test : list) {
        const auto & text = test.at(0).get_ref<const std::string &>();
        const Encoding encoding = tokenizer.encode_with_spans(text, false, specials);
        EXPECT_EQ(encoding.tokens, test.at(1).get<std::vector<int32_t>>()) << what << ": " << test.at(0).dump();
        if (!encoding.tokens.empty()) expect_spans_cover(encoding, text.size());
    }
}

TEST_F(Unigram, GivesTheTokensOfTokenizers) {
    ASSERT_EQ(cases()["setups"].size(), 4u);
    for (size_t i = 0; i < 4; ++i) {
        const json & setup = cases()["setups"][i];
        ASSERT_GT(setup["cases"].size(), 200u);
        const auto tokenizer = open("tokenizer.json", setup["tokenizer"].dump());
        ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
        expect_cases(*tokenizer, setup["cases"], "set-up " + std::to_string(i), true);
    }
}

TEST_F(Unigram, GivesTheTokensOfSentencePiece) {
    ASSERT_EQ(cases()["models"].size(), 3u);
    for (size_t i = 0; i < 3; ++i) {
        const json & model = cases()["models"][i];
        const auto tokenizer = open("tokenizer.model", bytes_of(model["model"].get<std::string>()));
        ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
        expect_cases(*tokenizer, model["cases"], "model " + std::to_string(i), false);
    }
}

/// The vocabulary of a tokenizer.model as the keys of a GGUF file, as llama.cpp's converter writes them.
struct T5Keys {
    Vocab vocab;
    std::string charsmap;
    bool merges_spaces = true;

    std::string write(const TemporaryFolder & folder) const {
        ql_gguf_writer * w = nullptr;
        EXPECT_EQ(ql_gguf_writer_create(&w), QL_OK);
        std::vector<ql_gguf_string> texts;
        for (const std::string & text : vocab.tokens) texts.push_back({text.data(), text.size()});
        const std::vector<float> scores(vocab.log_probabilities.begin(), vocab.log_probabilities.end());
        const auto n = static_cast<int64_t>(texts.size());
        const std::vector<int32_t> types = [&] {
            std::vector<int32_t> all;
            for (const TokenType type : vocab.types) all.push_back(static_cast<int32_t>(type));
            return all;
        }();
        EXPECT_EQ(ql_gguf_set_string(w, "tokenizer.ggml.model", "t5", 2), QL_OK);
        EXPECT_EQ(ql_gguf_set_strings(w, "tokenizer.ggml.tokens", texts.data(), n), QL_OK);
        EXPECT_EQ(ql_gguf_set_array(w, "tokenizer.ggml.scores", QL_GGUF_F32, scores.data(),
                                    static_cast<int64_t>(scores.size())),
                  QL_OK);
        EXPECT_EQ(ql_gguf_set_array(w, "tokenizer.ggml.token_type", QL_GGUF_I32, types.data(), n), QL_OK);
        if (!charsmap.empty()) {
            EXPECT_EQ(ql_gguf_set_array(w, "tokenizer.ggml.precompiled_charsmap", QL_GGUF_U8, charsmap.data(),
                                        static_cast<int64_t>(charsmap.size())),
                      QL_OK);
        }
        for (const auto & [key, id] : {std::pair{"unknown", vocab.unknown}, {"bos", vocab.bos}, {"eos", vocab.eos}})
            EXPECT_EQ(ql_gguf_set_int(w, (std::string("tokenizer.ggml.") + key + "_token_id").c_str(), QL_GGUF_U32, id),
                      QL_OK);
        EXPECT_EQ(ql_gguf_set_bool(w, "tokenizer.ggml.add_space_prefix", vocab.add_space_prefix), QL_OK);
        EXPECT_EQ(ql_gguf_set_bool(w, "tokenizer.ggml.remove_extra_whitespaces", merges_spaces), QL_OK);
        const std::string path = folder.path("t5.gguf");
        EXPECT_EQ(ql_gguf_write(w, path.c_str()), QL_OK) << ql_error_message();
        ql_gguf_writer_free(w);
        return path;
    }
};

T5Keys t5_keys() {
    const std::string model = bytes_of(cases()["models"][0]["model"].get<std::string>());
    auto vocab = read_sentence_piece_model(model);
    EXPECT_TRUE(vocab.ok()) << vocab.message();
    const auto & normalizers = cases()["setups"][0]["tokenizer"]["normalizer"]["normalizers"];
    auto map = read_base64(normalizers[0]["precompiled_charsmap"].get<std::string>());
    EXPECT_TRUE(map.ok()) << map.message();
    return {std::move(vocab).value(), std::move(map).value()};
}

TEST_F(Unigram, OfGgufFilesIsTheSame) {
    const auto tokenizer = open_tokenizer(t5_keys().write(folder_));
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.message();
    expect_cases(*tokenizer, cases()["models"][0]["cases"], "t5", false);
    EXPECT_TRUE(tokenizer->add_eos());
    EXPECT_FALSE(tokenizer->add_bos());
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("the dogs ", false, false), false), "the dogs");
}

/// A tokenizer of a directory, written as GGUF keys.
class WrittenUnigram : public Unigram {
  protected:
    /// The tokenizer.json of a set-up, with a token that ends texts.
    static json document(size_t setup) { return cases()["setups"][setup]["tokenizer"]; }
    void use(const json & document) const {
        folder_.write("tokenizer.json", document.dump());
        folder_.write("tokenizer_config.json", R"({"eos_token": "</s>"})");
    }
    void use_model(size_t model) const {
        folder_.write("tokenizer.model", bytes_of(cases()["models"][model]["model"].get<std::string>()));
    }
    Status write() {
        notes_.clear();
        QL_ASSIGN(const Vocab vocab, vocab_from_hf(folder_.path("")));
        GgufWriterPtr writer;
        QL_TRY(ql_gguf_writer_create(out(writer)));
        QL_TRY(vocab_to_gguf(vocab, static_cast<int64_t>(vocab.tokens.size()) + 3, writer.get(), notes_));
        return ql_gguf_write(writer.get(), folder_.path("t5.gguf").c_str());
    }
    Tokenizer written() {
        const Status status = write();
        EXPECT_TRUE(status.ok()) << status.message();
        return open_tokenizer(folder_.path("t5.gguf")).value();
    }
    void expect_refused(const std::function<void(json &)> & change, const char * part) {
        json changed = document(0);
        change(changed);
        use(changed);
        const Status status = write();
        EXPECT_EQ(status.code(), QL_UNSUPPORTED) << part;
        EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
    }
    std::vector<std::string> notes_;
};

TEST_F(WrittenUnigram, GivesTheTokensOfTokenizers) {
    use(document(0));
    const Tokenizer tokenizer = written();
    EXPECT_EQ(tokenizer.eos(), 1);
    EXPECT_EQ(tokenizer.unknown(), 2);
    EXPECT_FALSE(tokenizer.add_eos());
    EXPECT_EQ(notes_, std::vector<std::string>());
    // Where `tokenizers` differs from what the keys say, and from llama.cpp: white space beyond the charsmap's, U+2581 in
    // the text, marks that a reader takes for a part of the character before them.
    size_t equal = 0;
    for (const json & test : cases()["setups"][0]["cases"]) {
        const auto & text = test[0].get_ref<const std::string &>();
        if (tokenizer.encode(text, false, true) == test[1].get<std::vector<int32_t>>()) {
            ++equal;
            continue;
        }
        bool known = false;
        for (const char * part : {"\r", "\xC2\x85", "\xE2\x80\xA8", kSpace, "\xCC\x81"})
            known = known || text.find(part) != std::string::npos;
        EXPECT_TRUE(known) << test[0].dump();
    }
    EXPECT_EQ(equal, 230u);
}

TEST_F(WrittenUnigram, GivesTheTokensOfSentencePiece) {
    use_model(0);
    expect_cases(written(), cases()["models"][0]["cases"], "model 0", false);
}

TEST_F(WrittenUnigram, WhatLlamaCppDoesNotDoIsRefused) {
    const std::string word = std::string(kSpace) + "a" + kSpace + "b";
    expect_refused([](json & d) { d["model"] = document(2)["model"]; }, "Unigram with byte tokens has no GGUF keys");
    expect_refused([](json & d) { d["pre_tokenizer"] = document(2)["pre_tokenizer"]; }, "prepend_scheme 'first'");
    expect_refused([&](json & d) { d["model"]["vocab"][9][0] = word; }, "it never makes piece");
    expect_refused([](json & d) { d["normalizer"] = {{"type", "NFKC"}}; }, "normalization form KC");
    expect_refused(
        [](json & d) {
            d["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "x+"}}}, {"content", "x"}};
        },
        "replaces 'x+'");
    expect_refused(
        [](json & d) {
            d["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", "x"}}}, {"content", "y"}};
        },
        "replaces 'x'");
    expect_refused(
        [](json & d) {
            const json map = d["normalizer"]["normalizers"][0];
            d["normalizer"]["normalizers"] = json::array({{{"type", "NFC"}}, map});
        },
        "a charsmap behind another step");
    expect_refused(
        [](json & d) {
            d["pre_tokenizer"] = {{"type", "Sequence"},
                                  {"pretokenizers", {d["pre_tokenizer"]["pretokenizers"][1], {{"type", "Digits"}}}}};
        },
        "cuts words otherwise than before spaces");
    use(document(0));
    std::filesystem::remove(folder_.path("tokenizer_config.json"));
    EXPECT_NE(write().message().find("without an end-of-text token"), std::string::npos) << write().message();
    std::filesystem::remove(folder_.path("tokenizer.json"));
    use_model(1);
    EXPECT_NE(write().message().find("Unigram with byte tokens"), std::string::npos) << write().message();
}

TEST_F(WrittenUnigram, ItsCharsmapIsTheFiles) {
    const std::string bytes =
        read_base64(document(0)["normalizer"]["normalizers"][0]["precompiled_charsmap"].get<std::string>()).value();
    EXPECT_EQ(Charsmap::read(bytes)->bytes(), bytes);
}

/// Texts and what form KC makes of them, by `tokenizers` (nfkc_cases.json, written by make_nfkc_cases.py).
TEST_F(Unigram, FormKCIsThatOfTokenizers) {
    const json list = json::parse(read_text(std::string(QL_SOURCE_DIR) + "/tests/text/nfkc_cases.json"));
    ASSERT_GT(list.size(), 300u);
    NormalizerStep step{};
    step.kind = NormalizerStep::Kind::kComposeCompatible;
    for (const json & test : list) {
        const auto & text = test[0].get_ref<const std::string &>();
        const NormalizedText normalized = normalize({step}, text);
        EXPECT_EQ(normalized.text, test[1].get<std::string>()) << text;
        ASSERT_EQ(normalized.ends.size(), normalized.text.size());
        EXPECT_TRUE(std::is_sorted(normalized.ends.begin(), normalized.ends.end())) << text;
        EXPECT_EQ(normalized.ends.empty() ? 0 : normalized.ends.back(), text.size()) << text;
    }
    EXPECT_EQ(normalize({step}, "a\xFF\xEF\xBC\xA1").text,
              "a\xFF"
              "A")
        << "malformed bytes stay";
}

TEST_F(Unigram, BadGgufKeysAreRefused) {
    const auto why = [&](const std::function<void(T5Keys &)> & change) {
        T5Keys keys = t5_keys();
        change(keys);
        const auto tokenizer = open_tokenizer(keys.write(folder_));
        return tokenizer.ok() ? "accepted" : tokenizer.message();
    };
    const auto has = [](const std::string & message, const char * part) {
        EXPECT_NE(message.find(part), std::string::npos) << message;
    };
    has(why([](T5Keys & k) { k.vocab.log_probabilities.pop_back(); }), "scores for");
    has(why([](T5Keys & k) { k.vocab.log_probabilities[5] = NAN; }), "score 5 is nan");
    has(why([](T5Keys & k) { k.charsmap.resize(3); }), "precompiled_charsmap: 3 bytes");
    has(why([](T5Keys & k) { k.charsmap[0] = 3; }), "precompiled_charsmap: a trie of");
    has(why([](T5Keys & k) { k.charsmap[3] = 0x7F; }), "precompiled_charsmap: a trie of");
    has(why([](T5Keys & k) { k.charsmap.pop_back(); }), "its last text has no end");
    has(why([](T5Keys & k) { k.charsmap += std::string(100, 'x') + '\0'; }), "a text of 100 bytes");
}

TEST_F(Unigram, BrokenTriesReplaceNothingOutOfBounds) {
    T5Keys keys = t5_keys();
    for (size_t i = 4; i < keys.charsmap.size(); i += 7) {
        std::string broken = keys.charsmap;
        broken[i] = static_cast<char>(broken[i] ^ 0xA5);
        const auto map = Charsmap::read(broken);
        if (!map.ok()) continue;
        for (const char * text : {"\xEF\xAC\x81x", "e\xCC\x81", "\xE3\x80\x80", "abc"})
            EXPECT_LE(map->longest(text).value_or(Charsmap::Entry{}).size, std::string_view(text).size());
    }
}

/// 'a' leads from the root to the root, which is a leaf, too.
TEST_F(Unigram, ATrieThatLeadsInACircleEnds) {
    std::vector<uint32_t> trie(256);
    trie['a'] = uint32_t{'a'} << 10 | 1u << 8 | 'a';
    const auto size = static_cast<uint32_t>(trie.size() * sizeof(uint32_t));
    std::string bytes(reinterpret_cast<const char *>(&size), sizeof size);
    bytes.append(reinterpret_cast<const char *>(trie.data()), size);
    const auto map = Charsmap::read(bytes + std::string("b\0", 2));
    ASSERT_TRUE(map.ok()) << map.message();
    const auto entry = map->longest(std::string(1000, 'a'));
    ASSERT_TRUE(entry);
    EXPECT_EQ(entry->with, "b");
    EXPECT_EQ(entry->size, 64u);
    EXPECT_EQ(map->shortest("aaa")->size, 1u);
}

TEST_F(Unigram, APieceOfTheVocabularyIsShort) {
    T5Keys keys = t5_keys();
    keys.vocab.tokens[7] = std::string(512, 'a');
    EXPECT_TRUE(open_tokenizer(keys.write(folder_)).ok());
    keys.vocab.tokens[7] += 'a';
    const auto tokenizer = open_tokenizer(keys.write(folder_));
    EXPECT_EQ(tokenizer.status().code(), QL_UNSUPPORTED);
    EXPECT_NE(tokenizer.message().find("piece 7 of the vocabulary has 513 bytes, at most 512"), std::string::npos)
        << tokenizer.message();
}

TEST_F(Unigram, BadTokenizerJsonIsRefused) {
    const json good = cases()["setups"][2]["tokenizer"];
    ASSERT_EQ(why_refused(good), "accepted");
    const auto refused = [&](const std::function<void(json &)> & change, const char * part) {
        json document = good;
        change(document);
        const std::string why = why_refused(document);
        EXPECT_NE(why.find(part), std::string::npos) << why;
    };
    refused([](json & d) { d["model"]["unk_id"] = nullptr; }, "without unk_id");
    refused([](json & d) { d["model"]["unk_id"] = 100000; }, "unk_id is no token's number");
    refused([](json & d) { d["model"]["unk_id"] = -1; }, "unk_id is no token's number");
    refused([](json & d) { d["model"]["vocab"][7] = {"x"}; }, "piece 7 is no text with a number");
    refused([](json & d) { d["model"]["vocab"][7][1] = "x"; }, "piece 7 is no text with a number");
    refused([](json & d) { d["model"]["vocab"][7][1] = 1e300; }, "score 7 is 1e+300");
    refused([](json & d) { d["model"]["vocab"] = 3; }, "model has no vocab");
    refused([](json & d) { d["model"]["nonsense"] = 1; }, "nonsense");
    refused([](json & d) { d["model"]["type"] = "WordPiece"; }, "only BPE and Unigram are");
    refused([](json & d) { d["normalizer"]["normalizers"][0]["precompiled_charsmap"] = "*"; }, "no digit of base64");
    refused([](json & d) { d["normalizer"]["normalizers"][0]["precompiled_charsmap"] = "AAAA"; }, "3 bytes");
    refused([](json & d) { d["normalizer"]["normalizers"][2]["pattern"]["Regex"] = " *"; }, "may match nothing");
    refused([](json & d) { d["normalizer"]["normalizers"][0] = {{"type", "NFKD"}}; }, "NFC, NFKC, Precompiled");
    refused([](json & d) { d["pre_tokenizer"] = {{"type", "WhitespaceSplit"}}; }, "only before Metaspace");
}

/// The best sum over every way to cut a word, by trying them all.
double best_of(const Vocab & vocab, std::string_view word) {
    if (word.empty()) return 0;
    double best = -1e9;
    for (size_t i = 0; i < vocab.tokens.size(); ++i)
        if (vocab.types[i] == TokenType::kNormal && word.starts_with(vocab.tokens[i]))
            best = std::max(best, vocab.log_probabilities[i] + best_of(vocab, word.substr(vocab.tokens[i].size())));
    return best;
}

TEST_F(Unigram, FindsTheBestOfAllPaths) {
    Vocab vocab;
    vocab.kind = TokenizerKind::kUnigram;
    vocab.tokens = {"<unk>"};
    vocab.types = {TokenType::kUnknown};
    vocab.log_probabilities = {0};
    vocab.unknown = 0;
    uint32_t seed = 1;
    const auto random = [&](uint32_t n) { return (seed = seed * 1664525 + 1013904223) / 65536 % n; };
    for (const char * text : {"a", "b", "c", "ab", "bc", "ca", "abc", "bca", "aa", "bb", "abab", "cab", kSpace}) {
        vocab.tokens.emplace_back(text);
        vocab.types.push_back(TokenType::kNormal);
        vocab.log_probabilities.push_back(-1.0 - random(1000) / 200.0);
    }
    const Tokenizer tokenizer = make(vocab);
    for (int i = 0; i < 200; ++i) {
        std::string word;
        for (uint32_t n = 1 + random(9); n > 0; --n) word += static_cast<char>('a' + random(3));
        double sum = 0;
        std::string joined;
        for (const int32_t id : tokenizer.encode(word, false, false)) {
            sum += vocab.log_probabilities[static_cast<size_t>(id)];
            joined += vocab.tokens[static_cast<size_t>(id)];
        }
        EXPECT_EQ(joined, word);
        EXPECT_NEAR(sum, best_of(vocab, word), 1e-9) << word;
    }
    EXPECT_EQ(tokenizer.encode("axyb", false, false), (std::vector<int32_t>{1, 0, 2})) << "unknown ones are one token";
    EXPECT_EQ(tokenizer.encode("\xFF\xC3", false, false), (std::vector<int32_t>{0})) << "malformed bytes are unknown";
}

}  // namespace
}  // namespace ql::test
