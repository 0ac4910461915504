#include "tools/cli/board/board.hpp"

#include <algorithm>
#include <chrono>

namespace ql::cli {
namespace {

/// Drops every second element but the first, the last and those that `stays` says.
template <typename T, typename Stays>
void halve(std::vector<T> & all, const Stays & stays) {
    std::vector<T> kept;
    for (size_t i = 0; i < all.size(); ++i)
        if (i % 2 == 0 || i + 1 == all.size() || stays(all[i])) kept.push_back(std::move(all[i]));
    all = std::move(kept);
}

std::chrono::duration<double> duration(double seconds) {
    return std::chrono::duration<double>(seconds);
}

}  // namespace

std::string cut_text(const std::string & text, size_t n) {
    if (text.size() <= n) return text;
    while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xC0) == 0x80) --n;
    return text.substr(0, n) + "\u2026";
}

template <typename T, typename Change>
void Board::change(Part<T> & part, const Change & how) {
    {
        const std::lock_guard lock(mutex_);
        if (end_.value) return;
        how(part.value);
        ++part.version;
    }
    changed_.notify_all();
}

void Board::set_facts(BoardFacts facts) {
    change(facts_, [&](BoardFacts & f) {
        facts.is_stopping = f.is_stopping;
        f = std::move(facts);
    });
}

void Board::set_stage(const std::string & stage) {
    change(facts_, [&](BoardFacts & f) { f.stage = stage; });
    set_part("");
}

void Board::set_stopping() {
    change(facts_, [](BoardFacts & f) { f.is_stopping = true; });
}

void Board::add_step(const BoardStep & step) {
    change(now_, [&](BoardNow & now) {
        now.step = step;
        now.n_skipped += step.is_skipped;
        curve_.add(static_cast<double>(step.step), step.loss, step.lr, step.grad_norm);
    });
}

void Board::add_earlier_step(double step, double loss, double lr, double grad_norm) {
    change(now_, [&](BoardNow &) { curve_.add(step, loss, lr, grad_norm); });
}

void Board::add_evaluation(const BoardEvaluation & evaluation) {
    change(evaluations_, [&](std::vector<BoardEvaluation> & all) {
        all.push_back(evaluation);
        if (all.size() <= kMostEvaluations) return;
        const auto best =
            std::min_element(all.begin(), all.end(), [](const auto & a, const auto & b) { return a.loss < b.loss; });
        halve(all, [step = best->step](const BoardEvaluation & e) { return e.step == step; });
    });
}

void Board::set_part(const std::string & part) {
    change(now_, [&](BoardNow & now) { now.part = part; });
}

void Board::set_prompts(std::vector<BoardPrompt> prompts) {
    for (BoardPrompt & p : prompts)
        p.prompt = cut_text(p.prompt, kLongestText), p.expected = cut_text(p.expected, kLongestText);
    change(samples_, [&](BoardSamples & samples) { samples.prompts = std::move(prompts); });
}

void Board::note_samples(const std::string & note) {
    change(samples_, [&](BoardSamples & samples) { samples.note = cut_text(note, kLongestLine); });
}

void Board::add_round(BoardRound round) {
    for (BoardAnswer & answer : round.answers) answer.text = cut_text(answer.text, kLongestText);
    change(samples_, [&](BoardSamples & samples) {
        samples.rounds.push_back(std::move(round));
        if (samples.rounds.size() > kMostRounds) halve(samples.rounds, [](const BoardRound &) { return false; });
    });
}

void Board::log(const std::string & line) {
    change(lines_, [&](std::vector<std::string> & lines) {
        if (lines.size() == kMostLines) lines.erase(lines.begin());
        lines.push_back(cut_text(line, kLongestLine));
    });
}

void Board::end(BoardEnd end) {
    end.message = cut_text(end.message, kLongestText);
    change(end_, [&](std::optional<BoardEnd> & value) {
        curve_.finish();
        value = std::move(end);
    });
    over_.notify_all();
}

bool Board::has_ended() const {
    const std::lock_guard lock(mutex_);
    return end_.value.has_value();
}

bool Board::has_news(const Seen & s) const {
    return s.facts != facts_.version || s.now != now_.version || s.evaluations != evaluations_.version ||
           s.samples != samples_.version || s.lines != lines_.version || s.end != end_.version ||
           s.thinned != curve_.thinned() || s.points != curve_.points().size();
}

bool Board::wait(const Seen & seen, double seconds) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, duration(seconds), [&] { return has_news(seen); });
}

void Board::rest(double seconds) const {
    std::unique_lock lock(mutex_);
    over_.wait_for(lock, duration(seconds), [&] { return end_.value.has_value(); });
}

Board::News Board::news(Seen & seen) const {
    const std::lock_guard lock(mutex_);
    News news;
    const auto take = [](const auto & part, uint64_t & version, auto & to) {
        if (version != part.version) to = part.value;
        version = part.version;
    };
    take(facts_, seen.facts, news.facts);
    take(now_, seen.now, news.now);
    take(evaluations_, seen.evaluations, news.evaluations);
    take(samples_, seen.samples, news.samples);
    take(lines_, seen.lines, news.lines);
    take(end_, seen.end, news.end);
    news.replaces_points = seen.thinned != curve_.thinned();
    if (news.replaces_points) seen.points = 0;
    news.points.assign(curve_.points().begin() + static_cast<ptrdiff_t>(seen.points), curve_.points().end());
    seen.thinned = curve_.thinned(), seen.points = curve_.points().size();
    return news;
}

}  // namespace ql::cli
