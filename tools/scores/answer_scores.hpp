// How near a generated answer is to the wanted one, by the measures that the field reports, each with its own program's
// figures (tests/scores). All are 0 to 1.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "tools/scores/final_answer.hpp"
#include "tools/scores/text_rules.hpp"

namespace ql::cli {

enum class AnswerScore { exact, normalized, f1, rouge_l, final };

struct AnswerScoreRow {
    const char * name;
    bool yes_or_no;  // 0 or 1 for each answer, so that answers can be counted
};
inline constexpr std::array<AnswerScoreRow, 5> kAnswerScores = {
    {{"exact", true}, {"normalized", true}, {"f1", false}, {"rouge_l", false}, {"final", true}}};
inline const AnswerScoreRow & row_of(AnswerScore score) {
    return kAnswerScores[static_cast<size_t>(score)];
}

/// The scores named in "f1,exact", in the order above, each once; `wrong` is then empty, or what is wrong with a name.
std::vector<AnswerScore> parse_answer_scores(const std::string & names, std::string & wrong);

/// Letters of all scripts are written in lower case, one for one; a final sigma becomes a sigma, and accents stay.
/// A character of Chinese or Japanese (Han, Hiragana, Katakana) is a word of its own in `f1` and `rouge_l`. Thai, Lao, Khmer
/// and Burmese write no blanks either: there a word is whatever stands between two blanks or marks.
class AnswerScorer {
  public:
    /// final_marker: see FinalAnswer; not empty
    explicit AnswerScorer(const std::string & final_marker = kFinalMarker);

    /// exact       the same bytes
    /// normalized  the same text once it is normalised() (SQuAD's exact match)
    /// f1          of the words of the normalised texts, in any order (SQuAD; Rajpurkar et al. 2016)
    /// rouge_l     F-measure of the longest common subsequence of words, which are runs of letters, accents and digits (Lin
    ///             2004, with as much weight on precision as on recall, no stemming: rouge_score's rougeL)
    /// final       the same final answer (FinalAnswer)
    /// Two texts without a word agree: f1 and rouge_l are 1 (SQuAD 2.0's rule); beside one with words they are 0.
    double score(AnswerScore score, const std::string & wanted, const std::string & got) const;

    /// SQuAD's normalisation: lower case; no punctuation, ASCII's nor other scripts'; no "a", "an", "the"; one blank for
    /// white space, none at the ends. Words are not cut.
    std::string normalised(const std::string & text) const;
    /// Whether there is anything that `final` could compare.
    bool has_final(const std::string & text) const { return !final_.of(text).empty(); }

  private:
    double f1(const std::string & wanted, const std::string & got) const;
    double rouge_l(const std::string & wanted, const std::string & got) const;

    TextRules normalised_, characters_apart_, words_;
    FinalAnswer final_;
};

}  // namespace ql::cli
