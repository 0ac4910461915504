#include "tools/scores/answer_scores.hpp"

#include <algorithm>
#include <cctype>

#include "common/nearest.hpp"
#include "tools/scores/common_words.hpp"

namespace ql::cli {
namespace {

constexpr TextRule kLowerCase = {R"(\p{Lu}+)", R"(\L$0)"};
constexpr TextRule kSigma = {"ς", "σ"};
/// With what PCRE2 before 10.40 does not count as theirs: long sounds, a closing mark, voiced sounds of half width.
constexpr TextRule kCharactersApart = {R"([\p{Han}\p{Hiragana}\p{Katakana}ーｰ〆][\p{M}ﾞﾟ]*)", " $0 "};
/// Python's string.punctuation, and Unicode's punctuation as MLQA's evaluation takes it out (Lewis et al. 2020).
constexpr TextRule kPunctuation = {R"([\p{P}$+<=>^`|~]+)", ""};
constexpr TextRule kArticles = {R"((?<![\p{L}\p{N}\p{M}])(?:an?|the)(?![\p{L}\p{N}\p{M}]))", " "};
constexpr TextRule kOneBlank = {R"(\s+)", " "};
constexpr TextRule kNoBlankAtEnds = {R"(\A | \z)", ""};
constexpr TextRule kBetweenWords = {R"([^\p{L}\p{N}\p{M}]+)", " "};

/// The harmonic mean of n / n_wanted and n / n_got.
double f_measure(size_t n, size_t n_wanted, size_t n_got) {
    if (n_wanted == 0 || n_got == 0) return n_wanted == n_got ? 1 : 0;
    return 2 * static_cast<double>(n) / static_cast<double>(n_wanted + n_got);
}

std::vector<std::string> score_names() {
    std::vector<std::string> names;
    for (const AnswerScoreRow & row : kAnswerScores) names.emplace_back(row.name);
    return names;
}

std::string unknown(const std::string & name) {
    std::string lower = name, all;
    for (char & c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const std::string nearest = nearest_name(lower, score_names());
    for (const std::string & known : score_names()) all += (all.empty() ? "" : ", ") + known;
    return "'" + name.substr(0, 40) + "' is unknown; " +
           (nearest.empty() ? all + " are" : "did you mean " + nearest + "?");
}

}  // namespace

std::vector<AnswerScore> parse_answer_scores(const std::string & names, std::string & wrong) {
    std::array<bool, kAnswerScores.size()> named{};
    for (size_t at = 0; at <= names.size();) {
        const size_t end = std::min(names.find(',', at), names.size());
        const std::string name = names.substr(at, end - at);
        const auto row = std::find_if(kAnswerScores.begin(), kAnswerScores.end(),
                                      [&](const AnswerScoreRow & r) { return r.name == name; });
        if (row == kAnswerScores.end()) return wrong = unknown(name), std::vector<AnswerScore>();
        named[static_cast<size_t>(row - kAnswerScores.begin())] = true;
        at = end + 1;
    }
    std::vector<AnswerScore> scores;
    for (size_t i = 0; i < named.size(); ++i)
        if (named[i]) scores.push_back(static_cast<AnswerScore>(i));
    return scores;
}

AnswerScorer::AnswerScorer(const std::string & final_marker)
    : normalised_{kLowerCase, kSigma, kPunctuation, kArticles, kOneBlank, kNoBlankAtEnds},
      characters_apart_{kCharactersApart},
      words_{kLowerCase, kSigma, kCharactersApart, kBetweenWords},
      final_(final_marker) {}

std::string AnswerScorer::normalised(const std::string & text) const {
    return normalised_.apply(text);
}

double AnswerScorer::f1(const std::string & wanted, const std::string & got) const {
    const std::string a = characters_apart_.apply(normalised(wanted)), b = characters_apart_.apply(normalised(got));
    const WordList wanted_words = split_words(a), got_words = split_words(b);
    return f_measure(n_common(wanted_words, got_words), wanted_words.size(), got_words.size());
}

double AnswerScorer::rouge_l(const std::string & wanted, const std::string & got) const {
    const std::string a = words_.apply(wanted), b = words_.apply(got);
    const WordList wanted_words = split_words(a), got_words = split_words(b);
    return f_measure(n_common_in_order(wanted_words, got_words), wanted_words.size(), got_words.size());
}

double AnswerScorer::score(AnswerScore score, const std::string & wanted, const std::string & got) const {
    switch (score) {
        case AnswerScore::exact:
            return wanted == got ? 1 : 0;
        case AnswerScore::normalized:
            return normalised(wanted) == normalised(got) ? 1 : 0;
        case AnswerScore::f1:
            return f1(wanted, got);
        case AnswerScore::rouge_l:
            return rouge_l(wanted, got);
        case AnswerScore::final:
            return final_.agrees(wanted, got) ? 1 : 0;
    }
    return 0;
}

}  // namespace ql::cli
