#include "models/train/choose_options.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "models/train/fingerprint.hpp"
#include "models/train/option_ranges.hpp"
#include "ql/status.hpp"

namespace ql {
namespace {

// The rule. What is learned goes by the tokens that are trained, and by the steps that this takes. Epochs are added until
// there are enough of both, at most 8 of them, as more only learn by heart: a set of long answers is known after a few, one
// of short answers has to be repeated. A step takes up to 8 sequences, fewer where the run would have less than 128 steps.
// The rate is 2e-4, the usual one, for runs of 2,048 steps or more, and grows with the root of what is missing to them, to at
// most 1e-3: for a model 2,048 wide. A narrower one bears a higher rate and a wider one a lower one, by the root of the widths.
constexpr int64_t kEnoughTrained = 20000, kLeastSteps = 40, kMostEpochs = 8;
constexpr int64_t kMostSequences = 8, kEnoughSteps = 128, kManySteps = 2048;
constexpr double kUsualRate = 2e-4, kMostRate = 1e-3, kMostByWidth = 2;

int64_t times_to(int64_t enough, int64_t part) {
    return (enough + part - 1) / std::max<int64_t>(part, 1);
}

struct ChosenEpochs {
    int64_t n;
    std::string why;
};

ChosenEpochs choose_epochs(const RunSize & run, int64_t sequences_of_a_step) {
    const int64_t steps = times_to(run.n_sequences, sequences_of_a_step);
    const int64_t by_tokens = times_to(kEnoughTrained, run.n_trained), by_steps = times_to(kLeastSteps, steps);
    const int64_t n = std::max(by_tokens, by_steps);
    const bool by_token = by_tokens >= by_steps;
    return {
        std::clamp<int64_t>(n, 1, kMostEpochs),
        format("an epoch %s %lld %s, and %lld %s enough", by_token ? "trains" : "has",
               static_cast<long long>(by_token ? run.n_trained : steps), by_token ? "tokens" : "steps",
               static_cast<long long>(by_token ? kEnoughTrained : kLeastSteps), n > kMostEpochs ? "would be" : "are")};
}

/// Of a run over so many sequences.
int64_t sequences_of_a_step(double n_sequences) {
    int64_t n = kMostSequences;
    while (n > 1 && n_sequences < static_cast<double>(n * kEnoughSteps)) n /= 2;
    return n;
}

struct ChosenRate {
    double rate;
    std::string why;
};

ChosenRate choose_rate(int64_t n_steps, int64_t width) {
    const auto root = [](int64_t enough, int64_t n) {
        return std::sqrt(static_cast<double>(enough) / static_cast<double>(std::max<int64_t>(n, 1)));
    };
    const double by_steps = std::clamp(kUsualRate * root(kManySteps, n_steps), kUsualRate, kMostRate);
    const double by_width = std::min(root(kUsualWidth, width), kMostByWidth);
    std::string why;
    if (by_steps > kUsualRate) why = ": so few take a high lr";
    if (by_width != 1)
        why += format("%s model %lld wide a %s one", why.empty() ? "; a" : ", and a", static_cast<long long>(width),
                      by_width > 1 ? "higher" : "lower");
    return {std::round(by_steps * by_width * 1e5) / 1e5, why};  // a number that a person can type
}

std::string join(const std::vector<std::string> & words) {
    std::string text;
    for (const std::string & w : words) text += (text.empty() ? "" : ", ") + w;
    return text;
}

/// The options of a fingerprint that a run may leave open, each as a run that had chosen it would have it.
Result<ql_train_options> options_in(const std::string & fingerprint, ql_train_options o) {
    o.batch = whole_in(fingerprint, "batch"), o.grad_accum = whole_in(fingerprint, "grad-accum");
    o.steps = whole_in(fingerprint, "steps"), o.lr = real_in(fingerprint, "lr");
    QL_TRY(check_train_options(o));
    QL_TRY(in_range("batch", static_cast<double>(o.batch), 1, 4096));
    if (o.grad_accum > 0 && o.steps > 0 && o.lr > 0) return o;
    return error(QL_BAD_FILE, "grad-accum %lld, %lld steps, lr %g: no run has these",
                 static_cast<long long>(o.grad_accum), static_cast<long long>(o.steps), o.lr);
}

/// The run goes on as it was begun: a rule that has changed since, or other epochs, are no reason for another rate.
Result<ChosenOptions> as_before(ql_train_options o, const std::string & fingerprint) {
    QL_ASSIGN(const ql_train_options before, options_in(fingerprint, o));
    std::vector<std::string> said;
    if (o.grad_accum == 0) {
        const int64_t sequences = before.batch * before.grad_accum;
        o.grad_accum = std::max<int64_t>(sequences / std::max<int64_t>(o.batch, 1), 1);
        said.push_back("grad-accum " + std::to_string(o.grad_accum));
    }
    if (o.steps == 0 && o.epochs == 0) {
        o.steps = before.steps;
        said.push_back(std::to_string(o.steps) + " steps");
    }
    if (o.lr == 0) {
        o.lr = before.lr;
        said.push_back(format("lr %g", o.lr));
    }
    QL_TRY(check_train_options(o));
    return ChosenOptions{o, said.empty() ? "" : "chosen   " + join(said) + ": as before, in the checkpoint"};
}

}  // namespace

int64_t steps_of(const ql_train_options & o, int64_t steps_per_epoch) {
    if (o.steps > 0) return o.steps;
    return std::max<int64_t>(std::llround(o.epochs * static_cast<double>(steps_per_epoch)), 1);
}

std::string advice_for_more_steps(const ql_train_options & asked, const ql_train_options & chosen) {
    if (asked.steps > 0) return "try more --steps, or leave it out";
    const bool accumulates = asked.grad_accum > 1;
    if (asked.epochs == 0 && !accumulates) return format("try more data, or more --epochs than %g", chosen.epochs);
    std::string advice = asked.epochs > 0 ? "try more --epochs" : format("try more --epochs than %g", chosen.epochs);
    if (accumulates) advice += ", or a smaller --grad-accum";
    return advice + (asked.epochs > 0 && accumulates ? ", or leave both to be chosen" : ", or leave it to be chosen");
}

Result<ChosenOptions> choose_options(const ql_train_options & options, const RunSize & run, const RunBefore & before) {
    if (!before.fingerprint.empty()) {
        auto chosen = as_before(options, before.fingerprint);
        if (chosen.ok()) return chosen;
        return error(QL_BAD_FILE, "%s: %s: the file is damaged", before.path.c_str(), chosen.message().c_str());
    }
    ql_train_options o = options;
    std::vector<std::string> said;
    std::string why;
    const int64_t batch = std::max<int64_t>(o.batch, 1);
    if (o.steps == 0 && o.epochs == 0) {
        const ChosenEpochs epochs = choose_epochs(run, batch * std::max<int64_t>(o.grad_accum, 1));
        o.epochs = static_cast<double>(epochs.n);
        why = epochs.why + "; ";
        said.push_back(format("epochs %g", o.epochs));
    }
    if (o.grad_accum == 0) {
        const double n_sequences = static_cast<double>(run.n_sequences) * (o.steps > 0 ? 1 : o.epochs);
        o.grad_accum = std::max<int64_t>(sequences_of_a_step(n_sequences) / batch, 1);
        said.insert(said.begin(), "grad-accum " + std::to_string(o.grad_accum));
    }
    const int64_t steps_per_epoch = times_to(run.n_sequences, batch * o.grad_accum);
    const int64_t n_steps = steps_of(o, steps_per_epoch);
    why += format("%lld sequence%s %lld step%s an epoch, %lld in all", static_cast<long long>(run.n_sequences),
                  run.n_sequences == 1 ? " is" : "s are", static_cast<long long>(steps_per_epoch),
                  steps_per_epoch == 1 ? "" : "s", static_cast<long long>(n_steps));
    if (o.lr == 0) {
        const ChosenRate chosen = choose_rate(n_steps, run.width);
        o.lr = chosen.rate;
        why += chosen.why;
        said.push_back(format("lr %g", o.lr));
    }
    if (said.empty()) return ChosenOptions{o, ""};
    return ChosenOptions{o, "chosen   " + join(said) + ": " + why};
}

}  // namespace ql
