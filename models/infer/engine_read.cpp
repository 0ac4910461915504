// How the engine reads a batch: it is checked, given pages, cut into runs of a plan.
#include <algorithm>

#include "models/graph/spans.hpp"
#include "models/infer/engine.hpp"

namespace ql {

/// A run's inputs. Tokens that fill up its width see no key, and are not stored.
struct Engine::RunInputs {
    std::vector<int32_t> tokens, positions, span, rows, pages, last;
    int64_t n_entries = 0;  // entries of the table in use

    RunInputs(const Width & w, int64_t table)
        : tokens(static_cast<size_t>(w.n), 0),
          positions(static_cast<size_t>(w.n), 0),
          span(static_cast<size_t>(2 * w.n), 0),
          rows(static_cast<size_t>(w.n), -1),
          pages(static_cast<size_t>(table), 0),
          last(static_cast<size_t>(w.n_last), 0) {}
};

void Engine::fork(int64_t from, int64_t to) {
    cache_.fork(from, to);
    state(to) = state(from);
}

Status Engine::check(const SequenceTokens & part) const {
    const auto n = static_cast<int64_t>(part.tokens.size()), position = this->position(part.sequence);
    if (n == 0) return error(QL_INVALID_ARGUMENT, "no tokens to read");
    if (n > ctx() - position)
        return error(QL_INVALID_ARGUMENT,
                     "%lld tokens do not fit: %lld of the context of %lld are taken; choose a larger one (-c)",
                     static_cast<long long>(n), static_cast<long long>(position), static_cast<long long>(ctx()));
    if (part.adapter < 0 || part.adapter >= static_cast<int64_t>(widths_.size()))
        return error(QL_INVALID_ARGUMENT, "adapter %lld is none of the engine's", static_cast<long long>(part.adapter));
    const int64_t adapter = states_[static_cast<size_t>(part.sequence)].adapter;
    if (position && adapter != part.adapter)
        return error(QL_INVALID_ARGUMENT,
                     "sequence %lld cannot go on with adapter %lld: its %lld tokens were read with %lld",
                     static_cast<long long>(part.sequence), static_cast<long long>(part.adapter),
                     static_cast<long long>(position), static_cast<long long>(adapter));
    for (const int32_t t : part.tokens)
        if (t < 0 || t >= model_.hparams().n_vocab)
            return error(QL_INVALID_ARGUMENT, "token %d is outside the vocabulary of %lld", t,
                         static_cast<long long>(model_.hparams().n_vocab));
    return {};
}

Status Engine::check(std::span<const SequenceTokens> batch) const {
    std::vector<bool> named(states_.size());
    for (const SequenceTokens & part : batch) {
        const auto s = static_cast<size_t>(part.sequence);
        if (s >= states_.size() || named[s])
            return error(QL_INVALID_ARGUMENT, "sequence %lld is %s", static_cast<long long>(part.sequence),
                         s < states_.size() ? "named twice" : "none of the engine's");
        named[s] = true;
        QL_TRY(check(part));
    }
    return {};
}

/// Gives the sequences of a batch their pages: all, or an error.
Status Engine::grow(std::span<const SequenceTokens> batch) {
    std::vector<Growth> list;
    for (const SequenceTokens & part : batch) list.push_back({part.sequence, static_cast<int64_t>(part.tokens.size())});
    const int64_t needed = cache_.pages_to_grow(list);
    if (needed > n_free_pages())
        return error(
            QL_NO_MEMORY,
            "the cache is full: %lld more pages of %lld tokens are needed, %lld of %lld are free; end a sequence "
            "first, or make the cache larger",
            static_cast<long long>(needed), static_cast<long long>(kPageTokens), static_cast<long long>(n_free_pages()),
            static_cast<long long>(n_pages()));
    for (const Growth & growth : list) QL_TRY(cache_.grow(leaves_, growth));
    return {};
}

Status Engine::read(std::span<const SequenceTokens> batch) {
    QL_TRY(check(batch));
    Status status = grow(batch);
    for (int64_t a = 0; status.ok() && a < static_cast<int64_t>(widths_.size()); ++a) status = read_with(a, batch);
    if (!status.ok())
        for (const SequenceTokens & part : batch) truncate(part.sequence, position(part.sequence));
    return status;
}

/// Reads the sequences of a batch that have this adapter.
Status Engine::read_with(int64_t adapter, std::span<const SequenceTokens> batch) {
    std::vector<StreamToken> stream;
    for (const SequenceTokens & part : batch) {
        if (part.adapter != adapter) continue;
        state(part.sequence).adapter = adapter;
        state(part.sequence).logits.clear();
        int64_t at = position(part.sequence);
        for (const int32_t id : part.tokens) stream.push_back({part.sequence, at++, id});
        stream.back().wants_logits = part.logits;
    }
    for (Stream left = stream; !left.empty();) {
        const size_t n = count_fitting(left);
        Width & w = width_of(static_cast<int64_t>(n), adapter);
        const Stream part = left.first(std::min(n, static_cast<size_t>(w.n)));
        QL_TRY(run(w, part));
        for (const StreamToken & t : part) cache_.advance(t.sequence, 1);
        left = left.subspan(part.size());
    }
    return {};
}

/// For how many of the leading tokens a run's table of pages has room; one sequence's pages always fit.
size_t Engine::count_fitting(Stream tokens) const {
    int64_t entries = 0, sequence = -1;
    for (size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i].sequence == sequence) continue;
        sequence = tokens[i].sequence;
        entries += entries_of(static_cast<int64_t>(cache_.pages(sequence).size()));
        if (entries > leaves_.n_entries) return i;
    }
    return tokens.size();
}

Engine::Width & Engine::width_of(int64_t n, int64_t adapter) {
    std::vector<Width> & list = widths_[static_cast<size_t>(adapter)];
    const auto fits = std::find_if(list.begin(), list.end(), [&](const Width & w) { return w.n >= n; });
    return fits != list.end() ? *fits : list.back();
}

/// Puts a sequence's pages into a run's table; returns its first key, as spans name it.
int64_t Engine::enter(int64_t sequence, RunInputs & in) const {
    const auto pages = cache_.pages(sequence);
    const int64_t first = in.n_entries * kPageTokens;
    std::copy(pages.begin(), pages.end(), in.pages.begin() + in.n_entries);
    in.n_entries += entries_of(static_cast<int64_t>(pages.size()));
    return first;
}

Engine::RunInputs Engine::inputs_of(const Width & w, Stream tokens) const {
    RunInputs in(w, leaves_.n_entries);
    int64_t sequence = -1, first_key = 0;
    for (size_t i = 0, n_wanted = 0; i < tokens.size(); ++i) {
        const StreamToken & t = tokens[i];
        if (t.sequence != sequence) first_key = enter(sequence = t.sequence, in);
        in.tokens[i] = t.id;
        in.positions[i] = static_cast<int32_t>(t.position);
        in.rows[i] = static_cast<int32_t>(cache_.row(sequence, t.position));
        in.span[2 * i] = static_cast<int32_t>(first_key);
        in.span[2 * i + 1] = static_cast<int32_t>(first_key + t.position + 1);
        if (t.wants_logits) in.last[n_wanted++] = static_cast<int32_t>(i);
    }
    return in;
}

Status Engine::run(Width & w, Stream tokens) {
    const RunInputs in = inputs_of(w, tokens);
    QL_TRY(write_tensor(w.inputs.tokens, in.tokens));
    QL_TRY(write_tensor(w.inputs.positions, in.positions));
    QL_TRY(write_spans(w.inputs, in.span));
    QL_TRY(write_tensor(w.inputs.rows, in.rows));
    QL_TRY(write_tensor(w.inputs.pages, in.pages));
    QL_TRY(write_tensor(w.last, in.last));
    QL_TRY(ql_plan_run(w.plan.get()));
    return read_logits(w, tokens);
}

Status Engine::read_logits(const Width & w, Stream tokens) {
    size_t n_read = 0;
    for (const StreamToken & t : tokens) {
        if (!t.wants_logits) continue;
        std::vector<float> & logits = state(t.sequence).logits;
        logits.resize(static_cast<size_t>(model_.hparams().n_vocab));
        QL_TRY(read_output(w.plan, w.logits, logits, n_read++ * logits.size()));
    }
    return {};
}

}  // namespace ql
