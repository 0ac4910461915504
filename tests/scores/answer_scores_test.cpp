// Scores of answers: the figures of the field's own programs (answer_cases.json, written by make_answer_cases.py), other
// scripts, names, and texts that are none.
#include "tools/scores/answer_scores.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace ql::test {
namespace {

using namespace cli;
using Json = nlohmann::ordered_json;

double score(AnswerScore which, const std::string & wanted, const std::string & got) {
    return AnswerScorer().score(which, wanted, got);
}

TEST(AnswerScores, AreThoseOfOtherPrograms) {
    std::ifstream file(std::string(QL_SOURCE_DIR) + "/tests/scores/answer_cases.json");
    const Json data = Json::parse(file);
    EXPECT_GT(data["cases"].size(), 50u);
    size_t n_final = 0;
    const AnswerScorer scorer;
    for (const Json & c : data["cases"]) {
        const auto wanted = c["wanted"].get<std::string>(), got = c["got"].get<std::string>();
        const auto of = [&](AnswerScore which) { return scorer.score(which, wanted, got); };
        SCOPED_TRACE(c.dump());
        EXPECT_EQ(of(AnswerScore::exact), wanted == got);
        EXPECT_EQ(of(AnswerScore::normalized), c["normalized"].get<bool>());
        EXPECT_NEAR(of(AnswerScore::f1), c["f1"].get<double>(), 1e-12);
        EXPECT_NEAR(of(AnswerScore::rouge_l), c["rouge_l"].get<double>(), 1e-12);
        if (!c.contains("final")) continue;
        ++n_final;
        EXPECT_EQ(of(AnswerScore::final), c["final"].get<bool>());
    }
    EXPECT_GT(n_final, 20u);
}

TEST(AnswerScores, NormalisedTexts) {
    const AnswerScorer scorer;
    EXPECT_EQ(scorer.normalised("  The Cat, the \n\t dog -- AN apple!  "), "cat dog apple");
    EXPECT_EQ(scorer.normalised("A.M. theatre's anthem: a-b"), "am theatres anthem ab");
    EXPECT_EQ(scorer.normalised("Pizza, Japan; to bathe."), "pizza japan to bathe") << "no articles";
    EXPECT_EQ(scorer.normalised("$5 + <6> = `11` | ~^"), "5 6 11");
    EXPECT_EQ(scorer.normalised("“Où” — «l’été» … ¡ÁÉ!"), "où lété áé") << "punctuation and case of other scripts";
    EXPECT_EQ(scorer.normalised("20 €, 3 × 4"), "20 € 3 × 4") << "symbols stay";
    EXPECT_EQ(scorer.normalised("STRASSE Straße ΑΣ ας"), "strasse straße ασ ασ") << "one letter for one";
    EXPECT_EQ(scorer.normalised("東京は、大きい。"), "東京は大きい") << "words are not cut";
    EXPECT_EQ(scorer.normalised("a\u0301 die á"), "a\u0301 die á") << "no article";
    EXPECT_EQ(scorer.normalised("one\u00a0two\u3000three"), "one two three");
    EXPECT_EQ(scorer.normalised(""), "");
}

TEST(AnswerScores, TextsWithoutWordsAgreeWithEachOtherAlone) {
    for (const AnswerScore which : {AnswerScore::f1, AnswerScore::rouge_l}) {
        EXPECT_EQ(score(which, "", ""), 1);
        EXPECT_EQ(score(which, "!", "?"), 1);
        EXPECT_EQ(score(which, "", "word"), 0);
        EXPECT_EQ(score(which, "word", "..."), 0);
    }
}

TEST(AnswerScores, CharactersOfChineseAndJapaneseAreWords) {
    EXPECT_DOUBLE_EQ(score(AnswerScore::f1, "北京大学", "北京"), 2. * 2 / 6);
    EXPECT_DOUBLE_EQ(score(AnswerScore::rouge_l, "北京大学", "北方大学"), 3. * 2 / 8);
    EXPECT_DOUBLE_EQ(score(AnswerScore::rouge_l, "GPU是2枚", "GPU は 2 枚"), 3. * 2 / 8);
    EXPECT_DOUBLE_EQ(score(AnswerScore::rouge_l, "か\u3099く", "かく"), 1. * 2 / 4)
        << "an accent belongs to its character";
    EXPECT_EQ(score(AnswerScore::normalized, "東 京", "東京"), 0);
    EXPECT_EQ(score(AnswerScore::f1, "서울 대학교", "서울대학교"), 0) << "Korean has blanks";
}

TEST(AnswerScores, BytesThatAreNoTextAreComparedAsTheyAre) {
    const std::string cut = "the caf\xc3";
    for (size_t i = 0; i < kAnswerScores.size(); ++i) {
        const auto which = static_cast<AnswerScore>(i);
        EXPECT_EQ(score(which, cut, cut), which == AnswerScore::final ? 0 : 1) << kAnswerScores[i].name;
        EXPECT_LE(score(which, cut, "the café"), 0.5) << kAnswerScores[i].name;
    }
}

TEST(AnswerScores, FinalTakesTheMarkerItIsGiven) {
    const AnswerScorer scorer("Answer:");
    EXPECT_EQ(scorer.score(AnswerScore::final, "Answer: yes", "I think so.\nAnswer:  yes \n"), 1);
    EXPECT_EQ(scorer.score(AnswerScore::final, "Answer: yes", "#### yes"), 0);
    EXPECT_TRUE(scorer.has_final("so 3"));
    EXPECT_FALSE(scorer.has_final("#### yes"));
}

TEST(AnswerScores, NamesAreReadInAnyOrder) {
    std::string wrong;
    using enum AnswerScore;
    EXPECT_EQ(parse_answer_scores("final,f1,exact,f1", wrong),
              (std::vector<AnswerScore>{exact, f1, AnswerScore::final}));
    EXPECT_EQ(parse_answer_scores("normalized,rouge_l", wrong), (std::vector<AnswerScore>{normalized, rouge_l}));
    EXPECT_EQ(wrong, "");
    const auto said = [&](const std::string & names) {
        EXPECT_TRUE(parse_answer_scores(names, wrong).empty());
        return wrong;
    };
    EXPECT_EQ(said("f1,rouge-L"), "'rouge-L' is unknown; did you mean rouge_l?");
    EXPECT_EQ(said("F1"), "'F1' is unknown; did you mean f1?");
    EXPECT_EQ(said("normalised"), "'normalised' is unknown; did you mean normalized?");
    EXPECT_EQ(said("bleu"), "'bleu' is unknown; exact, normalized, f1, rouge_l, final are");
    EXPECT_EQ(said("f1,,exact"), "'' is unknown; exact, normalized, f1, rouge_l, final are");
    EXPECT_EQ(said(""), "'' is unknown; exact, normalized, f1, rouge_l, final are");
}

}  // namespace
}  // namespace ql::test
