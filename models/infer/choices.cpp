// Samples (a question with one choice) are packed in order, so a window's losses are those of its samples, one after the
// other.
#include "models/infer/choices.hpp"

#include <algorithm>
#include <numeric>

#include "models/text/jinja/text.hpp"

namespace ql {

namespace {

/// Samples [first, last) share a window.
struct Group {
    size_t first, last;
};

struct Samples {
    std::vector<TokenSample> all;  // of each question, each choice
    std::vector<Group> windows;
    std::vector<double> nll;  // of each sample: the sum

    PackedSequence window(size_t i, int64_t ctx) const {
        const Group & group = windows[i];
        const std::vector<TokenSample> some(all.begin() + static_cast<std::ptrdiff_t>(group.first),
                                            all.begin() + static_cast<std::ptrdiff_t>(group.last));
        std::vector<int64_t> order(some.size());
        std::iota(order.begin(), order.end(), 0);
        return pack(some, order, ctx, true)[0];
    }
    /// The window's losses stand at the tokens before those that they are of.
    void add(size_t i, const std::vector<float> & losses) {
        size_t at = 0;
        for (size_t s = windows[i].first; s < windows[i].last; ++s) {
            const size_t n = all[s].tokens.size();
            for (size_t t = 0; t < n; ++t) nll[s] += static_cast<double>(losses[at + t]);
            at += n;
        }
    }
};

Result<Samples> make_samples(const Tokenizer & tokenizer, const std::vector<ChoiceQuestion> & questions,
                             const std::string & path, int64_t ctx) {
    Samples samples;
    size_t room = 0;
    for (const ChoiceQuestion & question : questions)
        for (size_t c = 0; c < question.choices.size(); ++c) {
            TokenSample sample = choice_sample(tokenizer, question, c);
            const size_t size = sample.tokens.size();
            const auto where =
                format("%s:%lld: choice %zu", path.c_str(), static_cast<long long>(question.line), c + 1);
            if (size > static_cast<size_t>(ctx))
                return error(QL_INVALID_ARGUMENT, "%s has %zu tokens with its question, more than the context of %lld",
                             where.c_str(), size, static_cast<long long>(ctx));
            if (sample.n_trained() == 0)
                return error(QL_INVALID_ARGUMENT, "%s has no token that can be predicted", where.c_str());
            if (size > room) {
                samples.windows.push_back({samples.all.size(), samples.all.size()});
                room = static_cast<size_t>(ctx);
            }
            room -= size;
            samples.all.push_back(std::move(sample));
            samples.windows.back().last = samples.all.size();
        }
    samples.nll.resize(samples.all.size());
    return samples;
}

size_t smallest(std::span<const double> values) {
    return static_cast<size_t>(std::min_element(values.begin(), values.end()) - values.begin());
}

ChoiceScores score(const std::vector<ChoiceQuestion> & questions, const Samples & samples) {
    ChoiceScores scores;
    size_t at = 0;
    for (const ChoiceQuestion & question : questions) {
        const auto nll = std::span(samples.nll).subspan(at, question.choices.size());
        std::vector<double> by_length(nll.begin(), nll.end());
        for (size_t c = 0; c < by_length.size(); ++c) by_length[c] /= static_cast<double>(question.choices[c].size());
        scores.right += smallest(nll) == question.answer;
        scores.right_by_length += smallest(by_length) == question.answer;
        scores.of_right.nll += nll[question.answer];
        scores.of_right.tokens += samples.all[at + question.answer].n_trained();
        at += question.choices.size();
    }
    scores.questions = std::ssize(questions);
    scores.of_right.nll /= static_cast<double>(std::max<int64_t>(scores.of_right.tokens, 1));
    return scores;
}

}  // namespace

TokenSample choice_sample(const Tokenizer & tokenizer, const ChoiceQuestion & question, size_t choice) {
    const std::string & text = question.choices[choice];
    const bool touches =
        jinja::skip_space_back(question.question) == question.question.size() && jinja::skip_space(text) == 0;
    TokenSample sample;
    for (const int32_t token : tokenizer.encode(question.question, false, false)) sample.push(token, false);
    if (tokenizer.add_bos()) {
        sample.tokens.insert(sample.tokens.begin(), tokenizer.bos());
        sample.trained.insert(sample.trained.begin(), 0);
    }
    for (const int32_t token : tokenizer.encode((touches ? " " : "") + text, false, false, TextPlace::kMiddle))
        sample.push(token, true);
    sample.line = question.line;
    return sample;
}

Result<ChoiceScores> evaluate_choices(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                      const std::vector<ChoiceQuestion> & questions, const std::string & path,
                                      int64_t ctx, const OnWindow & on_window, const EvaluateMemory & memory) {
    const Tokenizer * tokenizer = model.tokenizer();
    if (!tokenizer) return error(QL_INVALID_ARGUMENT, "%s: the model has no tokenizer", model.path().c_str());
    QL_TRY(check_context(model, ctx));
    QL_ASSIGN(Samples samples, make_samples(*tokenizer, questions, path, ctx));
    const auto at = [&](int64_t i) { return samples.window(static_cast<size_t>(i), ctx); };
    const auto add = [&](int64_t i, const std::vector<float> & losses) { samples.add(static_cast<size_t>(i), losses); };
    QL_ASSIGN(const Likelihood sum, evaluate_windows(model, device, adapters, {std::ssize(samples.windows), ctx, at},
                                                     on_window, memory, add));
    QL_TRY(mean_likelihood(sum).status());  // of all choices: finite where each of theirs is
    return score(questions, samples);
}

}  // namespace ql
