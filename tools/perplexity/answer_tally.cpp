#include "tools/perplexity/answer_tally.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr size_t kShownWrong = 5;

}  // namespace

void AnswerTally::score_by(std::vector<AnswerScore> scores, const std::string & final_marker) {
    if (std::find(scores.begin(), scores.end(), AnswerScore::exact) == scores.end())
        scores.insert(scores.begin(), AnswerScore::exact);
    scores_ = std::move(scores);
    scorer_ = AnswerScorer(final_marker);
}

void AnswerTally::add(const Answer & answer, bool keep_line) {
    std::vector<double> scores;
    for (const AnswerScore which : scores_) {
        scores.push_back(scorer_.score(which, answer.wanted, answer.got));
        sums_[static_cast<size_t>(which)] += scores.back();
    }
    ++n_;
    if (keep_line) lines_ += line_of(answer, scores) + "\n";
    if (answer.wanted == answer.got) return;
    if (program_.verbose) show(answer);
    keep_if_worst(answer);
}

std::string AnswerTally::line_of(const Answer & answer, const std::vector<double> & scores) const {
    const bool exact = answer.wanted == answer.got;
    Json line = {{"sample", answer.sample},
                 {"input", answer.asked},
                 {"expected", answer.wanted},
                 {"got", answer.got},
                 {"exact", exact},
                 {"cut", !exact && !answer.ended},
                 {"nll", number_or_null(answer.nll)}};
    for (size_t i = 0; i < scores.size(); ++i) {
        const AnswerScoreRow & row = row_of(scores_[i]);
        line[row.name] = row.yes_or_no ? Json(scores[i] != 0) : Json(scores[i]);
    }
    return json_text(line);
}

std::vector<std::pair<const char *, double>> AnswerTally::means() const {
    std::vector<std::pair<const char *, double>> means;
    for (const AnswerScore which : scores_)
        means.emplace_back(row_of(which).name,
                           n_ > 0 ? sums_[static_cast<size_t>(which)] / static_cast<double>(n_) : 0);
    return means;
}

std::vector<std::vector<std::string>> AnswerTally::rows() const {
    std::vector<std::vector<std::string>> rows;
    for (const auto & [name, mean] : means()) {
        const AnswerScore which = scores_[rows.size()];
        std::string text = format("%.1f %%", 100 * mean);
        if (row_of(which).yes_or_no)
            text = format("%.0f of %lld, ", sums_[static_cast<size_t>(which)], static_cast<long long>(n_)) + text;
        rows.push_back({name, text});
    }
    return rows;
}

/// Of equally probable ones the first.
void AnswerTally::keep_if_worst(const Answer & wrong) {
    const auto at = std::find_if(worst_.begin(), worst_.end(), [&](const Answer & w) { return w.nll < wrong.nll; });
    worst_.insert(at, wrong);
    if (worst_.size() > kShownWrong) worst_.pop_back();
}

void AnswerTally::show(const Answer & wrong) const {
    program_.note(
        format("sample %lld, nll %s", static_cast<long long>(wrong.sample), print_number(wrong.nll, 4).c_str()));
    program_.note("  wanted  " + wrong.wanted);
    program_.note("  got     " + wrong.got +
                  (wrong.ended ? "" : " ... (cut after " + print_count(wrong.n_generated) + " tokens)"));
}

void AnswerTally::show_worst() const {
    if (program_.verbose) return;
    for (const Answer & wrong : worst_) show(wrong);
}

}  // namespace ql::cli
