#include "models/infer/engine.hpp"

#include <algorithm>

#include "models/base/last_error.hpp"
#include "models/base/write_tensor.hpp"

namespace ql {
namespace {

/// Tokens read at once. What is left of a prompt is padded to the narrowest width that takes it whole; 512 tokens are
/// enough for the decoding of the weights to cost little.
constexpr int64_t kWidths[] = {1, 32, 128, 512};

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const Model & model, ql_device * device,
                                               std::span<const AppliedAdapter> adapters,
                                               const EngineOptions & options) {
    if (options.ctx < 1 || options.ctx > model.hparams().n_ctx)
        return error(QL_INVALID_ARGUMENT, "context of %lld tokens: 1 to %lld are possible with this model",
                     static_cast<long long>(options.ctx), static_cast<long long>(model.hparams().n_ctx));
    if (options.n_sequences < 1 || options.n_sequences > INT32_MAX / options.ctx)
        return error(QL_INVALID_ARGUMENT, "%lld sequences: 1 to %lld are possible with a context of %lld tokens",
                     static_cast<long long>(options.n_sequences), static_cast<long long>(INT32_MAX / options.ctx),
                     static_cast<long long>(options.ctx));
    const ql_dtype type = options.cache_type;
    if (type != QL_F16 && type != QL_F32)
        return error(QL_BAD_DTYPE, "a cache of keys and values is f16 or f32, not %s",
                     ql_dtype_name(type) ? ql_dtype_name(type) : "of an unknown type");
    std::unique_ptr<Engine> engine(new Engine(model, options));
    QL_TRY(engine->build(device, adapters));
    return engine;
}

void Engine::build_cache() {
    const Hparams & h = model_.hparams();
    cache_.rows = options_.n_sequences * options_.ctx;
    for (int64_t i = 0; i < h.n_layer(); ++i) {
        const int64_t ne[] = {h.layer(i).n_head_kv * h.head_dim, cache_.rows};
        const std::string layer = std::to_string(i);
        cache_.k.push_back(ql_state(graph_.get(), ("cache_k." + layer).c_str(), options_.cache_type, 2, ne));
        cache_.v.push_back(ql_state(graph_.get(), ("cache_v." + layer).c_str(), options_.cache_type, 2, ne));
    }
}

void Engine::build_width(GraphBuilder & b, int64_t n) {
    Width & w = widths_.emplace_back();
    w.n = n;
    const std::string suffix = "." + std::to_string(n);
    w.inputs = b.start_stream(n, suffix);
    w.last = ql_input(b.graph(), ("last" + suffix).c_str(), QL_I32, 1, &options_.n_sequences);
    w.logits = b.linear(model_.head().name, ql_get_rows(b.graph(), b.hidden(), w.last));
}

Status Engine::build(ql_device * device, std::span<const AppliedAdapter> adapters) {
    ql_graph * g = nullptr;
    QL_TRY(last_error(ql_graph_create(&g)));
    graph_.reset(g);
    build_cache();
    std::vector<AppliedAdapter> applied;
    adapters_.reserve(adapters.size());
    for (const AppliedAdapter & a : adapters) adapters_.push_back(*a.adapter);
    for (size_t i = 0; i < adapters.size(); ++i) applied.push_back({&adapters_[i], adapters[i].factor});

    GraphBuilder b(model_, g);
    b.set_cache(&cache_);
    attach_adapters(b, applied);
    for (const int64_t n : kWidths) {
        build_width(b, n);
        if (n >= cache_.rows) break;  // a wider one would never be full
    }
    QL_TRY(last_error(ql_graph_status(g)));
    for (auto w = widths_.rbegin(); w != widths_.rend(); ++w) {  // the widest has room for the others
        ql_plan * plan = nullptr;
        QL_TRY(last_error(ql_plan_create_over(g, device, &w->logits, 1, widths_.back().plan.get(), &plan)));
        w->plan.reset(plan);
    }
    states_.resize(static_cast<size_t>(options_.n_sequences));
    for (State & state : states_) state.logits.resize(static_cast<size_t>(model_.hparams().n_vocab));
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
        const auto n = static_cast<int64_t>(part.tokens.size());
        if (n == 0) return error(QL_INVALID_ARGUMENT, "no tokens to read");
        if (n > ctx() - position(part.sequence))
            return error(QL_INVALID_ARGUMENT,
                         "%lld tokens do not fit: %lld of the context of %lld are taken; choose a larger one (-c)",
                         static_cast<long long>(n), static_cast<long long>(position(part.sequence)),
                         static_cast<long long>(ctx()));
        for (const int32_t t : part.tokens)
            if (t < 0 || t >= model_.hparams().n_vocab)
                return error(QL_INVALID_ARGUMENT, "token %d is outside the vocabulary of %lld", t,
                             static_cast<long long>(model_.hparams().n_vocab));
    }
    return {};
}

Status Engine::read(std::span<const SequenceTokens> batch) {
    QL_TRY(check(batch));
    std::vector<StreamToken> stream;
    for (const SequenceTokens & part : batch) {
        int64_t at = position(part.sequence);
        for (const int32_t id : part.tokens) stream.push_back({part.sequence, at++, id});
        stream.back().is_last = true;
    }
    for (std::span<const StreamToken> left = stream; !left.empty();) {
        Width & w = width_of(static_cast<int64_t>(left.size()));
        const auto part = left.first(std::min(left.size(), static_cast<size_t>(w.n)));
        QL_TRY(run(w, part));
        for (const StreamToken & t : part) truncate(t.sequence, t.position + 1);
        left = left.subspan(part.size());
    }
    return {};
}

Engine::Width & Engine::width_of(int64_t n) {
    const auto fits = std::find_if(widths_.begin(), widths_.end(), [&](const Width & w) { return w.n >= n; });
    return fits != widths_.end() ? *fits : widths_.back();
}

Status Engine::run(Width & w, std::span<const StreamToken> tokens) {
    const auto n = static_cast<size_t>(w.n);
    std::vector<int32_t> ids(n, 0), positions(n, 0), span(2 * n, 0), rows(n, -1);  // padding is not stored
    std::vector<int32_t> last(states_.size(), 0);
    for (size_t i = 0; i < tokens.size(); ++i) {
        const StreamToken & t = tokens[i];
        const auto first_row = static_cast<int32_t>(t.sequence * ctx());
        ids[i] = t.id;
        positions[i] = static_cast<int32_t>(t.position);
        rows[i] = first_row + positions[i];
        span[2 * i] = first_row;
        span[2 * i + 1] = rows[i] + 1;
        last[static_cast<size_t>(t.sequence)] = static_cast<int32_t>(i);
    }
    QL_TRY(write_tensor(w.inputs.tokens, ids));
    QL_TRY(write_tensor(w.inputs.positions, positions));
    QL_TRY(write_tensor(w.inputs.span, span));
    QL_TRY(write_tensor(w.inputs.rows, rows));
    QL_TRY(write_tensor(w.last, last));
    QL_TRY(last_error(ql_plan_run(w.plan.get())));
    return read_logits(w, tokens);
}

Status Engine::read_logits(const Width & w, std::span<const StreamToken> tokens) {
    for (const StreamToken & t : tokens) {
        if (!t.is_last) continue;
        std::vector<float> & logits = states_[static_cast<size_t>(t.sequence)].logits;
        const size_t bytes = logits.size() * sizeof(float);
        QL_TRY(last_error(
            ql_plan_read(w.plan.get(), w.logits, logits.data(), static_cast<size_t>(t.sequence) * bytes, bytes)));
    }
    return {};
}

}  // namespace ql
