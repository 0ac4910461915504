#include "models/infer/evaluate.hpp"

#include <algorithm>
#include <cmath>

#include "models/infer/loss_graph.hpp"

namespace ql {
namespace {

Likelihood mean_of(Likelihood sum) {
    if (sum.tokens) sum.nll /= static_cast<double>(sum.tokens);
    return sum;
}

/// A window of a text as a sequence: BOS first where the model wants one, then tokens [first, last); predictions of
/// tokens before `from` do not count.
PackedSequence window(const Tokenizer & tokenizer, std::span<const int32_t> tokens, size_t first, size_t last,
                      size_t from, int64_t ctx) {
    TokenSample sample;
    if (tokenizer.add_bos()) sample.tokens.push_back(tokenizer.bos()), sample.trained.push_back(0);
    for (size_t i = first; i < last; ++i) sample.tokens.push_back(tokens[i]), sample.trained.push_back(i >= from);
    return pack({sample}, {0}, ctx, false)[0];
}

/// The same as llama-perplexity cuts it: BOS in place of the first of the tokens, and of the predictions those that have at
/// least half of the window before them.
PackedSequence window_as_llama_cpp(const Tokenizer & tokenizer, std::span<const int32_t> tokens) {
    TokenSample sample;
    sample.tokens.assign(tokens.begin(), tokens.end());
    if (tokenizer.add_bos()) sample.tokens[0] = tokenizer.bos();
    for (size_t i = 0; i < tokens.size(); ++i) sample.trained.push_back(i > tokens.size() / 2);
    return pack({sample}, {0}, std::ssize(tokens), false)[0];
}

Result<const Tokenizer *> tokenizer_of(const Model & model) {
    if (const Tokenizer * tokenizer = model.tokenizer()) return tokenizer;
    return error(QL_INVALID_ARGUMENT, "%s: the model has no tokenizer", model.path().c_str());
}

/// As many windows at once as the graph has lanes; their losses are added up in order.
Result<Likelihood> run(LossGraph & graph, const Windows & windows, const OnWindow & on_window,
                       const OnLosses & on_losses) {
    const int64_t lanes = graph.lanes();
    Likelihood sum;
    std::vector<float> nll;
    for (int64_t done = 0; done < windows.n;) {
        std::vector<MicroBatch> batch;
        while (std::ssize(batch) < std::min(lanes, windows.n - done)) {
            const PackedSequence window = windows.at(done + std::ssize(batch));
            batch.push_back(MicroBatch::from_sequences({&window, 1}, 1, windows.ctx, 1.0f));
        }
        QL_TRY(graph.run(batch));
        for (size_t lane = 0; lane < batch.size(); ++lane) {
            QL_TRY(graph.read(static_cast<int64_t>(lane), nll));
            if (on_losses) on_losses(done, nll);
            for (const float v : nll) sum.nll += v;
            sum.tokens += batch[lane].n_trained;
            ++done;
            if (on_window) QL_TRY(on_window(mean_of(sum), done, windows.n));
        }
    }
    return sum;
}

void tell_samples(const PackedSequence & sequence, const std::vector<float> & losses, const OnSample & on_sample) {
    std::vector<Likelihood> sums(sequence.samples.size());
    for (size_t t = 0; t < sequence.tokens.size(); ++t) {
        Likelihood & sum = sums[static_cast<size_t>(sequence.segments[t])];
        sum.nll += static_cast<double>(losses[t]);
        sum.tokens += sequence.targets[t] >= 0;
    }
    for (size_t i = 0; i < sums.size(); ++i) on_sample(sequence.samples[i], sums[i]);
}

}  // namespace

Result<Likelihood> mean_likelihood(Likelihood sum) {
    if (!std::isfinite(sum.nll))
        return error(QL_NON_FINITE,
                     "the loss is not finite: weights, or the adapter's, lead to numbers beyond the range of f32");
    return mean_of(sum);
}

Result<Likelihood> evaluate_windows(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                    const Windows & windows, const OnWindow & on_window, const EvaluateMemory & memory,
                                    const OnLosses & on_losses) {
    QL_ASSIGN(const auto graph, LossGraph::create(model, device, adapters, {windows.ctx, windows.n, memory.memory}));
    if (memory.on_plan) QL_TRY(memory.on_plan(graph->describe()));
    QL_ASSIGN(const Likelihood sum, run(*graph, windows, on_window, on_losses));
    QL_TRY(model.check_files());
    return sum;
}

Status check_context(const Model & model, int64_t ctx) {
    if (ctx >= 2 && ctx <= model.hparams().n_ctx) return {};  // one token predicts none
    return error(QL_INVALID_ARGUMENT, "context of %lld tokens: 2 to %lld are possible", static_cast<long long>(ctx),
                 static_cast<long long>(model.hparams().n_ctx));
}

Result<Likelihood> evaluate_text(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                 std::string_view text, int64_t ctx, int64_t stride, const OnWindow & on_window,
                                 const EvaluateMemory & memory) {
    QL_ASSIGN(const Tokenizer * tokenizer, tokenizer_of(model));
    QL_TRY(check_context(model, ctx));
    const int64_t room = ctx - tokenizer->add_bos();
    if (stride < 0 || stride > room)
        return error(QL_INVALID_ARGUMENT, "stride %lld: 0 to %lld are possible", static_cast<long long>(stride),
                     static_cast<long long>(room));
    const std::vector<int32_t> tokens = tokenizer->encode(text, false, false);
    const auto step = static_cast<size_t>(stride ? stride : room), width = static_cast<size_t>(room);
    const size_t more = tokens.size() > width ? (tokens.size() - width + step - 1) / step : 0;
    const auto end_of = [&](int64_t i) { return std::min(static_cast<size_t>(i) * step + width, tokens.size()); };
    const auto at = [&](int64_t i) {
        return window(*tokenizer, tokens, static_cast<size_t>(i) * step, end_of(i), i > 0 ? end_of(i - 1) : 0, ctx);
    };
    const int64_t n = tokens.empty() ? 0 : static_cast<int64_t>(more) + 1;
    QL_ASSIGN(const Likelihood sum, evaluate_windows(model, device, adapters, {n, ctx, at}, on_window, memory));
    if (sum.tokens == 0) return error(QL_INVALID_ARGUMENT, "the text has no token to predict");
    return mean_likelihood(sum);
}

Result<Likelihood> evaluate_text_as_llama_cpp(const Model & model, ql_device * device,
                                              std::span<const AppliedAdapter> adapters, std::string_view text,
                                              int64_t ctx, const OnWindow & on_window, const EvaluateMemory & memory) {
    QL_ASSIGN(const Tokenizer * tokenizer, tokenizer_of(model));
    QL_TRY(check_context(model, ctx));
    if (ctx < 3) return error(QL_INVALID_ARGUMENT, "context of 2 tokens: its second half predicts none");
    const std::vector<int32_t> tokens = tokenizer->encode(text, true, false);
    const auto width = static_cast<size_t>(ctx);
    const auto at = [&](int64_t i) {
        return window_as_llama_cpp(*tokenizer, std::span(tokens).subspan(static_cast<size_t>(i) * width, width));
    };
    const auto n = static_cast<int64_t>(tokens.size() / width);
    if (n == 0)
        return error(QL_INVALID_ARGUMENT, "the text has %zu tokens, less than a window of %zu", tokens.size(), width);
    QL_ASSIGN(const Likelihood sum, evaluate_windows(model, device, adapters, {n, ctx, at}, on_window, memory));
    return mean_likelihood(sum);
}

Result<Likelihood> evaluate_dataset(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                    const Dataset & data, int64_t ctx, const OnWindow & on_window,
                                    const EvaluateMemory & memory, const OnSample & on_sample) {
    QL_TRY(check_context(model, ctx));
    QL_TRY(data.check_fits(ctx));
    const auto order = sample_order(static_cast<int64_t>(data.samples.size()), false, 0, 0);
    const std::vector<PackedSequence> sequences = pack(data.samples, order, ctx, true);
    QL_TRY(check_trained(sequences, data.path, ctx));
    const auto at = [&](int64_t i) { return sequences[static_cast<size_t>(i)]; };
    OnLosses tell;
    if (on_sample)
        tell = [&](int64_t i, const std::vector<float> & losses) {
            tell_samples(sequences[static_cast<size_t>(i)], losses, on_sample);
        };
    QL_ASSIGN(const Likelihood sum,
              evaluate_windows(model, device, adapters, {std::ssize(sequences), ctx, at}, on_window, memory, tell));
    return mean_likelihood(sum);
}

}  // namespace ql
