// How the engine reads a batch: it is checked, given pages, cut into runs of a plan.
#include <algorithm>
#include <cmath>

#include "models/graph/spans.hpp"
#include "models/infer/engine.hpp"

namespace ql {

/// A run's inputs. Tokens that fill up its width see no key, and are not stored.
struct Engine::RunInputs {
    std::vector<int32_t> tokens, positions, span, rows, pages, last;
    std::vector<float> factors;
    int64_t n_entries = 0;  // entries of the table in use

    RunInputs(const Width & w, int64_t table, int64_t n_adapters)
        : tokens(static_cast<size_t>(w.n), 0),
          positions(static_cast<size_t>(w.n), 0),
          span(static_cast<size_t>(2 * w.n), 0),
          rows(static_cast<size_t>(w.n), -1),
          pages(static_cast<size_t>(table), 0),
          last(static_cast<size_t>(w.n_last), 0),
          factors(static_cast<size_t>(w.n * n_adapters), 0.0f) {}
};

void Engine::truncate(int64_t sequence, int64_t n) {
    if (n < position(sequence)) state(sequence).logits.clear();
    cache_.truncate(sequence, n);
}

Status Engine::set_factors(int64_t sequence, std::span<const float> factors) {
    if (sequence < 0 || sequence >= n_sequences())
        return error(QL_INVALID_ARGUMENT, "sequence %lld is none of the engine's", static_cast<long long>(sequence));
    if (static_cast<int64_t>(factors.size()) != n_adapters())
        return error(QL_INVALID_ARGUMENT, "%zu factors for %lld adapters", factors.size(),
                     static_cast<long long>(n_adapters()));
    for (size_t i = 0; i < factors.size(); ++i) QL_TRY(check_factor(i, factors[i]));
    std::vector<float> & own = state(sequence).factors;
    if (std::equal(own.begin(), own.end(), factors.begin())) return {};
    truncate(sequence, 0);
    own.assign(factors.begin(), factors.end());
    return {};
}

void Engine::set_starts(int64_t sequence, std::span<const int64_t> starts) {
    state(sequence).starts.assign(starts.begin(), starts.end());
}

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

/// The tokens of a batch, sequences with the same factors side by side: what they share is then computed at once.
std::vector<Engine::StreamToken> Engine::stream_of(std::span<const SequenceTokens> batch) {
    std::vector<const SequenceTokens *> parts;
    for (const SequenceTokens & part : batch) parts.push_back(&part);
    std::stable_sort(parts.begin(), parts.end(), [&](const SequenceTokens * x, const SequenceTokens * y) {
        return state(x->sequence).factors < state(y->sequence).factors;
    });
    std::vector<StreamToken> stream;
    for (const SequenceTokens * part : parts) {
        state(part->sequence).logits.clear();
        int64_t at = position(part->sequence);
        for (const int32_t id : part->tokens) stream.push_back({part->sequence, at++, id});
        stream.back().wants_logits = part->logits;
    }
    return stream;
}

Status Engine::read(std::span<const SequenceTokens> batch, const std::function<bool()> & stop) {
    QL_TRY(check(batch));
    Status status = grow(batch);
    const std::vector<StreamToken> stream = status.ok() ? stream_of(batch) : std::vector<StreamToken>();
    for (Stream left = stream; status.ok() && !left.empty();) {
        if (stop && stop()) {
            status = error(QL_CANCELLED, "stopped before %zu of %zu tokens were read", left.size(), stream.size());
            break;
        }
        const std::vector<Stream> pieces = next_pieces(left);
        status = run(width_of(std::ssize(pieces[0])), pieces);
        if (!status.ok()) break;
        for (const Stream piece : pieces) {
            for (const StreamToken & t : piece) cache_.advance(t.sequence, 1);
            left = left.subspan(piece.size());
        }
    }
    if (!status.ok())
        for (const SequenceTokens & part : batch) truncate(part.sequence, position(part.sequence));
    return status;
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

/// The tokens of the next run: one piece, or several that fill the widest plan, one for each of its lanes. In a layer, a
/// piece finds the keys and values that the pieces before it have stored there.
std::vector<Engine::Stream> Engine::next_pieces(Stream tokens) {
    std::vector<Stream> pieces;
    const auto widest = static_cast<size_t>(widths_.back().n);
    for (; !tokens.empty(); tokens = tokens.subspan(widest)) {
        const size_t n = count_fitting(tokens);
        if (!pieces.empty() && (n < widest || std::ssize(pieces) == lanes_)) break;
        pieces.push_back(tokens.first(std::min(n, widest)));
        if (n < widest) break;
    }
    return pieces;
}

Engine::Width & Engine::width_of(int64_t n) {
    const auto fits = std::find_if(widths_.begin(), widths_.end(), [&](const Width & w) { return w.n >= n; });
    return fits != widths_.end() ? *fits : widths_.back();
}

/// Tokens that fill up a width have the factors of the others where those agree, which is then computed as one product,
/// and else none.
void Engine::enter_factors(Stream tokens, std::span<float> factors) const {
    const auto n = static_cast<size_t>(n_adapters());
    if (n == 0) return;
    const auto of = [&](size_t i) { return factors.subspan(i * n, n); };
    bool alike = true;
    for (size_t i = 0; i < tokens.size(); ++i) {
        const State & s = states_[static_cast<size_t>(tokens[i].sequence)];
        for (size_t a = 0; a < n; ++a) of(i)[a] = tokens[i].position < s.starts[a] ? 0 : s.factors[a];
        alike = alike && std::equal(of(i).begin(), of(i).end(), factors.begin());
    }
    for (size_t i = tokens.size(); alike && i < factors.size() / n; ++i) std::copy_n(factors.begin(), n, of(i).begin());
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
    RunInputs in(w, leaves_.n_entries, n_adapters());
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
    enter_factors(tokens, in.factors);
    return in;
}

Status Engine::write_inputs(Width & w, Stream tokens, int lane) {
    const RunInputs in = inputs_of(w, tokens);
    const auto write = [&](ql_tensor * input, const auto & values) {
        return Status(
            ql_plan_write_lane(w.plan.get(), lane, input, values.data(), 0, values.size() * sizeof(values[0])));
    };
    QL_TRY(write(w.inputs.tokens, in.tokens));
    if (w.inputs.slots) QL_TRY(write(w.inputs.slots, slots_of(w.inputs.own_ids, in.tokens)));
    QL_TRY(write(w.inputs.positions, in.positions));
    for (const StreamSpan & s : w.inputs.spans) QL_TRY(write(s.span, windowed(in.span, s.window)));
    QL_TRY(write(w.inputs.rows, in.rows));
    QL_TRY(write(w.inputs.pages, in.pages));
    QL_TRY(write(w.last, in.last));
    return w.inputs.factors ? write(w.inputs.factors, in.factors) : Status();
}

Status Engine::run(Width & w, std::span<const Stream> pieces) {
    for (size_t i = 0; i < pieces.size(); ++i) QL_TRY(write_inputs(w, pieces[i], static_cast<int>(i)));
    QL_TRY(ql_plan_run_lanes(w.plan.get(), static_cast<int>(pieces.size())));
    for (size_t i = 0; i < pieces.size(); ++i) QL_TRY(read_logits(w, pieces[i], static_cast<int>(i)));
    return {};
}

Status Engine::read_logits(const Width & w, Stream tokens, int lane) {
    size_t n_read = 0;
    for (const StreamToken & t : tokens) {
        if (!t.wants_logits) continue;
        std::vector<float> & logits = state(t.sequence).logits;
        logits.resize(static_cast<size_t>(model_.hparams().n_vocab));
        const size_t bytes = logits.size() * sizeof(float);
        QL_TRY(ql_plan_read_lane(w.plan.get(), lane, w.logits, logits.data(), n_read++ * bytes, bytes));
    }
    return {};
}

}  // namespace ql
