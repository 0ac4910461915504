#include "models/infer/evaluate.hpp"

#include <algorithm>
#include <cmath>

#include "models/adapter/invocation.hpp"
#include "models/data/batch.hpp"
#include "models/graph/spans.hpp"
#include "models/infer/merged_head.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// A forward graph that ends in the losses of a stream's tokens.
class LossGraph {
  public:
    static Result<std::unique_ptr<LossGraph>> create(const Model & model, ql_device * device,
                                                     std::span<const AppliedAdapter> adapters, int64_t n_tokens) {
        std::unique_ptr<LossGraph> l(new LossGraph);
        QL_TRY(ql_graph_create(out(l->graph_)));
        ql_graph * g = l->graph_.get();
        GraphBuilder b(model, g);
        QL_ASSIGN(l->parts_, apply_parts(model, device, adapters));
        attach_adapters(b, adapters, l->parts_);
        for (const AppliedAdapter & a : adapters)
            if (!a.adapter->invocation.empty()) l->invocations_.push_back(a.adapter->invocation);
        l->inputs_ = b.start_stream(n_tokens);
        l->targets_ = ql_input(g, "targets", QL_I32, 1, &n_tokens);
        l->weights_ = ql_input(g, "loss_weights", QL_F32, 1, &n_tokens);
        QL_ASSIGN(ql_tensor * const head, l->head(b, adapters));
        (void)b.loss(b.hidden(), head, l->targets_, l->weights_, &l->nll_);
        QL_TRY(ql_graph_status(g));
        QL_ASSIGN(l->plan_, make_plan(l->graph_, device, {&l->nll_, 1}));
        return l;
    }

    Status add(const PackedSequence & sequence, int64_t ctx, Likelihood & sum) {
        const MicroBatch batch = MicroBatch::from_sequences({&sequence, 1}, 1, ctx, 1.0f);
        QL_TRY(write_tokens(inputs_, batch.tokens));
        QL_TRY(write_tensor(inputs_.positions, batch.positions));
        QL_TRY(write_spans(inputs_, batch.span));
        for (size_t i = 0; i < inputs_.active.size(); ++i)
            QL_TRY(write_tensor(inputs_.active[i], activation(batch.tokens, batch.span, invocations_[i])));
        QL_TRY(write_tensor(targets_, batch.targets));
        QL_TRY(write_tensor(weights_, batch.weights));
        QL_TRY(ql_plan_run(plan_.get()));
        std::vector<float> nll(batch.tokens.size());
        QL_TRY(read_output(plan_, nll_, nll));
        for (const float v : nll) sum.nll += v;
        sum.tokens += batch.n_trained;
        return {};
    }

  private:
    Result<ql_tensor *> head(GraphBuilder & b, std::span<const AppliedAdapter> adapters) {
        if (!changes_head(b.model(), adapters)) return b.head();
        QL_ASSIGN(head_, merged_head(b.model(), adapters, parts_));
        return ql_weight(b.graph(), "merged_head", QL_F32, 2, b.model().head().ne, head_.get());
    }

    AppliedParts parts_;
    std::vector<std::vector<int32_t>> invocations_;  // of the adapters that have one, in their order
    AlignedBytes head_;  // with the branches of adapters that change it
    GraphPtr graph_;
    StreamInputs inputs_;
    ql_tensor *targets_ = nullptr, *weights_ = nullptr, *nll_ = nullptr;
    PlanPtr plan_;
};

Likelihood mean_of(Likelihood sum) {
    if (sum.tokens) sum.nll /= static_cast<double>(sum.tokens);
    return sum;
}

Result<Likelihood> mean(Likelihood sum) {
    if (!std::isfinite(sum.nll))
        return error(QL_NON_FINITE,
                     "the loss is not finite: weights, or the adapter's, lead to numbers beyond the range of f32");
    return mean_of(sum);
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

Status check_context(const Model & model, int64_t ctx) {
    if (ctx >= 2 && ctx <= model.hparams().n_ctx) return {};  // one token predicts none
    return error(QL_INVALID_ARGUMENT, "context of %lld tokens: 2 to %lld are possible", static_cast<long long>(ctx),
                 static_cast<long long>(model.hparams().n_ctx));
}

}  // namespace

Result<Likelihood> evaluate_text(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                 std::string_view text, int64_t ctx, int64_t stride, const OnWindow & on_window) {
    const Tokenizer * tokenizer = model.tokenizer();
    if (!tokenizer) return error(QL_INVALID_ARGUMENT, "%s: the model has no tokenizer", model.path().c_str());
    QL_TRY(check_context(model, ctx));
    const int64_t room = ctx - tokenizer->add_bos();
    if (stride < 0 || stride > room)
        return error(QL_INVALID_ARGUMENT, "stride %lld: 0 to %lld are possible", static_cast<long long>(stride),
                     static_cast<long long>(room));
    const std::vector<int32_t> tokens = tokenizer->encode(text, false, false);
    QL_ASSIGN(const auto graph, LossGraph::create(model, device, adapters, ctx));
    Likelihood sum;
    const auto step = static_cast<size_t>(stride ? stride : room), width = static_cast<size_t>(room);
    const size_t more = tokens.size() > width ? (tokens.size() - width + step - 1) / step : 0;
    int64_t n_done = 0;
    for (size_t first = 0, done = 0; done < tokens.size(); first += step) {
        const size_t last = std::min(first + width, tokens.size());
        QL_TRY(graph->add(window(*tokenizer, tokens, first, last, done, ctx), ctx, sum));
        done = last;
        if (on_window) QL_TRY(on_window(mean_of(sum), ++n_done, static_cast<int64_t>(more) + 1));
    }
    if (sum.tokens == 0) return error(QL_INVALID_ARGUMENT, "the text has no token to predict");
    return mean(sum);
}

Result<Likelihood> evaluate_dataset(const Model & model, ql_device * device, std::span<const AppliedAdapter> adapters,
                                    const Dataset & data, int64_t ctx, const OnWindow & on_window) {
    QL_TRY(check_context(model, ctx));
    QL_TRY(data.check_fits(ctx));
    const auto order = sample_order(static_cast<int64_t>(data.samples.size()), false, 0, 0);
    const std::vector<PackedSequence> sequences = pack(data.samples, order, ctx, true);
    QL_TRY(check_trained(sequences, data.path, ctx));
    QL_ASSIGN(const auto graph, LossGraph::create(model, device, adapters, ctx));
    Likelihood sum;
    int64_t done = 0;
    for (const PackedSequence & sequence : sequences) {
        QL_TRY(graph->add(sequence, ctx, sum));
        if (on_window) QL_TRY(on_window(mean_of(sum), ++done, std::ssize(sequences)));
    }
    return mean(sum);
}

}  // namespace ql
