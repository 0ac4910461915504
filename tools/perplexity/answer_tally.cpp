#include "tools/perplexity/answer_tally.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr size_t kShownWrong = 5;

bool is_exact(const Answer & answer) {
    return answer.wanted == answer.got;
}

}  // namespace

void AnswerTally::add(const Answer & answer, bool keep_line) {
    const bool exact = is_exact(answer);
    ++n_, n_exact_ += exact ? 1 : 0;
    if (keep_line)
        lines_ += json_text({{"sample", answer.sample},
                             {"input", answer.asked},
                             {"expected", answer.wanted},
                             {"got", answer.got},
                             {"exact", exact},
                             {"cut", !exact && !answer.ended},
                             {"nll", number_or_null(answer.nll)}}) +
                  "\n";
    if (exact) return;
    if (program_.verbose) show(answer);
    keep_if_worst(answer);
}

std::string AnswerTally::exact_text() const {
    return format("%lld of %lld, %.1f %%", static_cast<long long>(n_exact_), static_cast<long long>(n_), 100 * exact());
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
