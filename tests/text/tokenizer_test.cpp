// What a tokenizer does with special tokens, spans, odd bytes and hostile vocabularies, on vocabularies made by hand.
#include "models/text/tokenizer.hpp"

#include <functional>
#include <limits>

#include "support/growth.hpp"
#include "text/vocabularies.hpp"

namespace ql::test {
namespace {

using Ids = std::vector<int32_t>;

TEST(ByteLevelTokenizer, MergesTheMostUrgentPairFirst) {
    const Tokenizer tokenizer = make(byte_level_vocab());
    EXPECT_EQ(tokenizer.encode("abc", false, false), Ids{257});
    EXPECT_EQ(tokenizer.encode("xab", false, false), (Ids{'x', 256}));
    EXPECT_EQ(tokenizer.encode(" ab", false, false), (Ids{' ', 256})) << "a b comes before space a";
    EXPECT_EQ(tokenizer.encode("", true, true), Ids{});
}

TEST(ByteLevelTokenizer, TakesTheLeftmostOfEqualPairs) {
    Vocab vocab = byte_level_vocab();
    vocab.tokens[256] = "aa";
    vocab.merges[0] = "a a";
    EXPECT_EQ(make(vocab).encode("aaaaa", false, false), (Ids{256, 256, 'a'}));
}

TEST(ByteLevelTokenizer, TakesAWholeWordBeforeMergesWhereTheModelDoes) {
    Vocab vocab = byte_level_vocab();
    vocab.tokens[259] = "bca";  // no merge leads to it
    EXPECT_EQ(make(vocab).encode("bca", false, false), (Ids{'b', 'c', 'a'}));
    vocab.ignore_merges = true;
    EXPECT_EQ(make(vocab).encode("bca", false, false), Ids{259});
}

TEST(ByteLevelTokenizer, PassesOverBytesWithoutAToken) {
    Vocab vocab = byte_level_vocab();
    vocab.types['y'] = TokenType::kControl;
    const Encoding encoding = make(vocab).encode_with_spans("xyz ..y", false, false);
    EXPECT_EQ(encoding.tokens, (Ids{'x', 'z', ' ', '.', '.'}));
    expect_spans_cover(encoding, 7);
}

TEST(ByteLevelTokenizer, SplitsMergesThatAreNoTokensIntoBytes) {
    Vocab vocab = byte_level_vocab();
    vocab.tokens[257] = "unrelated";  // "ab c" still merges, but "abc" is no token now
    EXPECT_EQ(make(vocab).encode("abcd", false, false), (Ids{'a', 'b', 'c', 'd'}));
}

TEST(ByteLevelTokenizer, EncodesMalformedUtf8ByteByByte) {
    const Tokenizer tokenizer = make(byte_level_vocab("smollm"));
    for (const std::string text :
         {"\xFF", "ab\xE2\x82", "\xC0\xAF", "\xED\xA0\x80", "a\x80 1\xF5 b", "\xF4\x90\x80\x80"}) {
        const Encoding encoding = tokenizer.encode_with_spans(text, false, false);
        EXPECT_EQ(tokenizer.decode(encoding.tokens, false), text);
        expect_spans_cover(encoding, text.size());
    }
}

TEST(SpecialTokensInText, AreParsedOnlyWhenAskedFor) {
    const Tokenizer tokenizer = make(byte_level_vocab());
    EXPECT_EQ(tokenizer.encode("a</s>b", false, true), (Ids{'a', 261, 'b'}));
    EXPECT_EQ(tokenizer.encode("a</s>b", false, false), (Ids{'a', '<', '/', 's', '>', 'b'}));
    EXPECT_EQ(tokenizer.encode("ab@userab", false, false), (Ids{256, 263, 256})) << "user-defined tokens always match";
}

TEST(SpecialTokensInText, TheLongestTakesItsPlaceFirst) {
    Vocab vocab = byte_level_vocab();
    for (const char * text : {"xyz", "yzzz", "zz"}) {
        vocab.tokens.push_back(text);
        vocab.types.push_back(TokenType::kControl);
    }
    const Tokenizer tokenizer = make(vocab);  // ids 264, 265, 266
    EXPECT_EQ(tokenizer.encode("xyzzz", false, true), (Ids{'x', 265}));
    EXPECT_EQ(tokenizer.encode("xyzzzzz", false, true), (Ids{'x', 265, 266}));
    EXPECT_EQ(tokenizer.encode("xyzz", false, true), (Ids{264, 'z'}));
}

TEST(SpecialTokensInText, SwallowWhiteSpaceWhereTheModelSaysSo) {
    Vocab vocab = byte_level_vocab();
    vocab.strip_right = {262};
    vocab.strip_left = {261};
    const Encoding encoding = make(vocab).encode_with_spans("a<|im_end|> \nb\t </s> c", false, true);
    EXPECT_EQ(encoding.tokens, (Ids{'a', 262, 'b', 261, ' ', 'c'}));
    expect_spans_cover(encoding, 22);
    EXPECT_EQ(encoding.spans[1].end, 13U);
    EXPECT_EQ(encoding.spans[3].begin, 14U);
}

/// Processor seconds of one call.
double seconds_of(const std::function<void()> & call) {
    const double start = thread_seconds();
    call();
    return thread_seconds() - start;
}

TEST(SpecialTokensInText, MayBeTensOfThousands) {
    Vocab vocab = byte_level_vocab();
    std::string text;
    for (int i = 0; i < 40000; i++) {
        vocab.tokens.push_back(format("<|control_%d|>", i));
        vocab.types.push_back(TokenType::kControl);
        text += vocab.tokens.back() + "<|control";
    }
    const Tokenizer tokenizer = make(vocab);
    Ids ids;
    EXPECT_LT(seconds_of([&] { ids = tokenizer.encode(text, false, true); }), 5);  // pair by pair it takes far longer
    ASSERT_EQ(ids.size(), 40000U * 10);
    EXPECT_EQ(ids[10], 265);
}

TEST(SpecialTokensInText, NestedInEachOtherTakeTheLongestFirst) {
    Vocab vocab = byte_level_vocab();
    for (int i = 1; i <= 1000; i++) {
        vocab.tokens.push_back(std::string(static_cast<size_t>(i), '='));
        vocab.types.push_back(TokenType::kControl);
    }
    const Tokenizer tokenizer = make(vocab);
    Ids ids;
    const std::string text(1000 * 1000 + 7, '=');
    EXPECT_LT(seconds_of([&] { ids = tokenizer.encode(text, false, true); }), 10);
    ASSERT_EQ(ids.size(), 1001U);
    EXPECT_EQ(ids[0], 264 + 999);
    EXPECT_EQ(ids[1000], 264 + 6);
}

TEST(BeginOfText, IsAddedOnceAndOnlyWhereTheModelWantsIt) {
    Vocab vocab = byte_level_vocab();
    EXPECT_EQ(make(vocab).encode("a", true, true), Ids{'a'});
    vocab.add_bos = vocab.add_eos = true;
    const Tokenizer tokenizer = make(vocab);
    EXPECT_EQ(tokenizer.encode("a", true, true), (Ids{260, 'a', 261}));
    EXPECT_EQ(tokenizer.encode("<s>a</s>", true, true), (Ids{260, 'a', 261}));
    EXPECT_EQ(tokenizer.encode("<s>", true, false), (Ids{260, '<', 's', '>', 261})) << "as plain text it is no bos";
    EXPECT_EQ(tokenizer.encode("", true, true), (Ids{260, 261}));
    EXPECT_EQ(tokenizer.encode("a", false, true), Ids{'a'});
}

TEST(Spans, PointAtTheBytesOfEachToken) {
    Vocab vocab = byte_level_vocab();
    vocab.add_bos = true;
    const Encoding encoding = make(vocab).encode_with_spans("abc x<|im_end|>ab", true, true);
    EXPECT_EQ(encoding.tokens, (Ids{260, 257, ' ', 'x', 262, 256}));
    const std::vector<std::pair<size_t, size_t>> expected = {{0, 0}, {0, 3}, {3, 4}, {4, 5}, {5, 15}, {15, 17}};
    for (size_t i = 0; i < expected.size(); i++) {
        EXPECT_EQ(encoding.spans[i].begin, expected[i].first) << i;
        EXPECT_EQ(encoding.spans[i].end, expected[i].second) << i;
    }
}

TEST(SentencePieceTokenizer, JoinsTheHighestScoreFirst) {
    const Tokenizer tokenizer = make(sentence_piece_vocab());
    EXPECT_EQ(tokenizer.encode("ab", true, false), (Ids{1, 264}));
    EXPECT_EQ(tokenizer.encode("a", false, false), Ids{262});
    EXPECT_EQ(tokenizer.encode("b a", false, false), (Ids{259, 261, 262}));
    EXPECT_EQ(tokenizer.decode({1, 259, 261, 262}, false), "b a");
    EXPECT_EQ(tokenizer.decode({1, 262}, true), "<s>a");
}

TEST(SentencePieceTokenizer, WritesWhatIsNoTokenAsBytes) {
    const Tokenizer tokenizer = make(sentence_piece_vocab());
    const Encoding encoding = tokenizer.encode_with_spans("a\xC3\xA9\xFFz", false, false);
    EXPECT_EQ(encoding.tokens, (Ids{262, 3 + 0xC3, 3 + 0xA9, 3 + 0xFF, 3 + 'z'}));
    expect_spans_cover(encoding, 5);
    EXPECT_EQ(encoding.spans[2].begin, 2U);
    EXPECT_EQ(tokenizer.decode(encoding.tokens, false), "a\xC3\xA9\xFFz");
}

TEST(SentencePieceTokenizer, FallsBackToUnknownWithoutByteTokens) {
    Vocab vocab = sentence_piece_vocab();
    for (TokenType & type : vocab.types) {
        if (type == TokenType::kByte) type = TokenType::kUnused;
    }
    EXPECT_EQ(make(vocab).encode("az", false, false), (Ids{262, 0}));
}

TEST(SentencePieceTokenizer, JoinsAcrossSpacesWhereTheVocabularyDoes) {
    Vocab vocab = sentence_piece_vocab();
    EXPECT_EQ(make(vocab).encode("b a  a", false, false), (Ids{259, 261, 262, 259, 262}));
    vocab.tokens.push_back("b\xE2\x96\x81");
    vocab.types.push_back(TokenType::kNormal);
    vocab.scores.push_back(0);
    EXPECT_EQ(make(vocab).encode("b a  a", false, false), (Ids{259, 265, 260, 259, 262}));
}

TEST(SentencePieceTokenizer, NeverMakesControlOrByteTokensOfPlainText) {
    Vocab vocab = sentence_piece_vocab();
    for (const char * text : {"<s", "<0x41"}) {
        vocab.tokens.push_back(text);
        vocab.types.push_back(TokenType::kNormal);
        vocab.scores.push_back(0);
    }
    for (const int32_t id : make(vocab).encode("<s><0x41>", false, false)) {
        EXPECT_TRUE(id > 2 && id != 3 + 0x41) << id;
    }
}

TEST(SentencePieceTokenizer, AddsASpaceAfterEverySpecialTokenAndTakesItAway) {
    const Tokenizer tokenizer = make(sentence_piece_vocab());
    const Encoding encoding = tokenizer.encode_with_spans("a</s>a", true, true);
    EXPECT_EQ(encoding.tokens, (Ids{1, 262, 2, 262}));
    expect_spans_cover(encoding, 6);
    EXPECT_EQ(tokenizer.decode(encoding.tokens, true), "<s>a</s>a");
}

TEST(SentencePieceTokenizer, GivesTheAddedSpaceAnEmptySpan) {
    const Encoding encoding = make(sentence_piece_vocab()).encode_with_spans("b", false, false);
    EXPECT_EQ(encoding.tokens, (Ids{259, 261}));
    EXPECT_EQ(encoding.spans[0].end, 0U);
    expect_spans_cover(encoding, 1);
}

TEST(SentencePieceTokenizer, AddsNoSpaceInTheMiddleOfATextAndNoneInAnAnswer) {
    const Tokenizer tokenizer = make(sentence_piece_vocab());
    EXPECT_EQ(tokenizer.encode("a</s>a", false, true, TextPlace::kBegin), (Ids{262, 2, 262}));
    EXPECT_EQ(tokenizer.encode("a</s>a", false, true, TextPlace::kMiddle), (Ids{260, 2, 262}));
    EXPECT_EQ(tokenizer.encode("a</s>a", false, true, TextPlace::kAnswer), (Ids{260, 2, 260}));
    EXPECT_EQ(tokenizer.encode(" a", false, true, TextPlace::kAnswer), (Ids{262}));
}

TEST(EndOfGeneration, IsEosAndTheKnownControlTokens) {
    const Tokenizer tokenizer = make(byte_level_vocab());
    EXPECT_TRUE(tokenizer.is_end_of_generation(261));
    EXPECT_TRUE(tokenizer.is_end_of_generation(262));
    EXPECT_FALSE(tokenizer.is_end_of_generation(260));
    EXPECT_FALSE(tokenizer.is_end_of_generation(-1));
    EXPECT_EQ(tokenizer.eot(), 262);
    EXPECT_EQ(tokenizer.special_token("@user"), 263);
    EXPECT_EQ(tokenizer.special_token("abc"), -1);
}

TEST(Decoding, LeavesControlTokensOutUnlessAskedFor) {
    const Tokenizer tokenizer = make(byte_level_vocab());
    EXPECT_EQ(tokenizer.decode({'a', 262, 263, 'b', -7, 9999}, false), "a@userb");
    EXPECT_EQ(tokenizer.decode({'a', 262, 263, 'b'}, true), "a<|im_end|>@userb");
    EXPECT_EQ(tokenizer.piece(258), " a");
    EXPECT_EQ(tokenizer.piece(-1), "");
}

std::string why_refused(const Vocab & vocab) {
    const auto tokenizer = Tokenizer::from_vocab(vocab);
    return tokenizer.ok() ? "" : tokenizer.message();
}

TEST(HostileVocabulary, IsRefusedWithItsReason) {
    Vocab vocab = byte_level_vocab();
    vocab.pre = "viking";
    EXPECT_TRUE(why_refused(vocab).starts_with("tokenizer: pre-tokenizer 'viking' is not known; known are gpt-2, "))
        << why_refused(vocab);
    vocab = byte_level_vocab();
    vocab.eos = 264;
    EXPECT_EQ(why_refused(vocab), "tokenizer: eos id 264 is outside the vocabulary of 264 tokens");
    vocab = byte_level_vocab();
    vocab.merges.push_back("single");
    EXPECT_NE(why_refused(vocab).find("merge 4 is 'single'"), std::string::npos);
    vocab = byte_level_vocab();
    vocab.merges.push_back("");
    EXPECT_NE(why_refused(vocab), "");
    vocab = byte_level_vocab();
    vocab.types.pop_back();
    EXPECT_EQ(why_refused(vocab), "tokenizer: 263 token types for 264 tokens");
    vocab = byte_level_vocab();
    vocab.bos = -1;
    vocab.add_bos = true;
    EXPECT_NE(why_refused(vocab), "");
    vocab = sentence_piece_vocab();
    vocab.tokens[5] = "<0xZZ>";
    EXPECT_NE(why_refused(vocab).find("byte token 5"), std::string::npos);
    vocab = sentence_piece_vocab();
    vocab.scores[260] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(why_refused(vocab), "tokenizer: score 260 is not finite");
    EXPECT_EQ(why_refused(Vocab{}), "tokenizer: vocabulary of 0 tokens");
}

}  // namespace
}  // namespace ql::test
