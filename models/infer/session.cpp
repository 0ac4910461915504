#include "models/infer/session.hpp"

#include <algorithm>

#include "models/base/last_error.hpp"
#include "models/base/write_tensor.hpp"

namespace ql {
namespace {

/// Tokens read at once. What is left of a prompt is padded to the narrowest width that takes it whole; 512 tokens are
/// enough for the decoding of the weights to cost little.
constexpr int64_t kWidths[] = {1, 32, 128, 512};

}  // namespace

void attach_adapters(GraphBuilder & b, std::span<const AppliedAdapter> adapters) {
    for (size_t i = 0; i < adapters.size(); ++i) {
        for (const LoraMatrix & l : adapters[i].adapter->matrices) {
            const std::string name = l.weight + ".lora" + std::to_string(i);
            const int64_t a[] = {l.k, l.r}, bb[] = {l.r, l.m};
            b.attach(l.weight, {ql_weight(b.graph(), (name + "_a").c_str(), QL_F32, 2, a, l.a.data()),
                                ql_weight(b.graph(), (name + "_b").c_str(), QL_F32, 2, bb, l.b.data()),
                                l.scale * adapters[i].factor});
        }
    }
}

Result<std::unique_ptr<Session>> Session::create(const Model & model, ql_device * device,
                                                 std::span<const AppliedAdapter> adapters, int64_t ctx,
                                                 ql_dtype cache_type) {
    if (ctx < 1 || ctx > model.hparams().n_ctx)
        return error(QL_INVALID_ARGUMENT, "context of %lld tokens: 1 to %lld are possible with this model",
                     static_cast<long long>(ctx), static_cast<long long>(model.hparams().n_ctx));
    if (cache_type != QL_F16 && cache_type != QL_F32)
        return error(QL_BAD_DTYPE, "a cache of keys and values is f16 or f32, not %s",
                     ql_dtype_name(cache_type) ? ql_dtype_name(cache_type) : "of an unknown type");
    std::unique_ptr<Session> session(new Session(model, ctx));
    QL_TRY(session->build(device, adapters, cache_type));
    return session;
}

Status Session::build(ql_device * device, std::span<const AppliedAdapter> adapters, ql_dtype cache_type) {
    ql_graph * g = nullptr;
    QL_TRY(last_error(ql_graph_create(&g)));
    graph_.reset(g);
    const Hparams & h = model_.hparams();
    cache_.rows = ctx_;
    for (int64_t i = 0; i < h.n_layer(); ++i) {
        const int64_t ne[] = {h.layer(i).n_head_kv * h.head_dim, cache_.rows};
        cache_.k.push_back(ql_state(g, ("cache_k." + std::to_string(i)).c_str(), cache_type, 2, ne));
        cache_.v.push_back(ql_state(g, ("cache_v." + std::to_string(i)).c_str(), cache_type, 2, ne));
    }
    std::vector<AppliedAdapter> applied;
    adapters_.reserve(adapters.size());
    for (const AppliedAdapter & a : adapters) adapters_.push_back(*a.adapter);
    for (size_t i = 0; i < adapters.size(); ++i) applied.push_back({&adapters_[i], adapters[i].factor});

    GraphBuilder b(model_, g);
    b.set_cache(&cache_);
    attach_adapters(b, applied);
    for (const int64_t n : kWidths) {
        Width & w = widths_.emplace_back();
        w.n = n;
        const std::string suffix = "." + std::to_string(n);
        w.inputs = b.start_stream(n, suffix);
        const int64_t one = 1;
        w.last = ql_input(g, ("last" + suffix).c_str(), QL_I32, 1, &one);
        w.logits = b.linear(model_.head().name, ql_get_rows(g, b.hidden(), w.last));
        if (n >= ctx_) break;  // a wider one would never be full
    }
    QL_TRY(last_error(ql_graph_status(g)));
    for (auto w = widths_.rbegin(); w != widths_.rend(); ++w) {  // the widest has room for the others
        ql_plan * plan = nullptr;
        QL_TRY(last_error(ql_plan_create_over(g, device, &w->logits, 1, widths_.back().plan.get(), &plan)));
        w->plan.reset(plan);
    }
    logits_.resize(static_cast<size_t>(h.n_vocab));
    return {};
}

Status Session::eval(std::span<const int32_t> tokens) {
    const auto n = static_cast<int64_t>(tokens.size());
    if (n == 0) return error(QL_INVALID_ARGUMENT, "no tokens to read");
    if (n > ctx_ - position_)
        return error(QL_INVALID_ARGUMENT,
                     "%lld tokens do not fit: %lld of the context of %lld are taken; choose a larger one (-c)",
                     static_cast<long long>(n), static_cast<long long>(position_), static_cast<long long>(ctx_));
    for (const int32_t t : tokens)
        if (t < 0 || t >= model_.hparams().n_vocab)
            return error(QL_INVALID_ARGUMENT, "token %d is outside the vocabulary of %lld", t,
                         static_cast<long long>(model_.hparams().n_vocab));
    tokens_.resize(static_cast<size_t>(position_));
    while (!tokens.empty()) {
        Width & w = width_of(static_cast<int64_t>(tokens.size()));
        const auto part = tokens.first(std::min(tokens.size(), static_cast<size_t>(w.n)));
        QL_TRY(run(w, part));
        tokens_.insert(tokens_.end(), part.begin(), part.end());
        position_ += static_cast<int64_t>(part.size());
        tokens = tokens.subspan(part.size());
    }
    return {};
}

Session::Width & Session::width_of(int64_t n) {
    const auto fits = std::find_if(widths_.begin(), widths_.end(), [&](const Width & w) { return w.n >= n; });
    return fits != widths_.end() ? *fits : widths_.back();
}

Status Session::run(Width & w, std::span<const int32_t> tokens) {
    const auto n = static_cast<size_t>(w.n);
    std::vector<int32_t> ids(n, 0), positions(n, 0), span(2 * n, 0), rows(n, -1);  // padding is not stored
    for (size_t i = 0; i < tokens.size(); ++i) {
        ids[i] = tokens[i];
        positions[i] = rows[i] = static_cast<int32_t>(position_ + static_cast<int64_t>(i));
        span[2 * i + 1] = rows[i] + 1;
    }
    const auto last = static_cast<int32_t>(tokens.size() - 1);
    QL_TRY(write_tensor(w.inputs.tokens, ids));
    QL_TRY(write_tensor(w.inputs.positions, positions));
    QL_TRY(write_tensor(w.inputs.span, span));
    QL_TRY(write_tensor(w.inputs.rows, rows));
    QL_TRY(last_error(ql_tensor_write(w.last, &last, 0, sizeof(last))));
    QL_TRY(last_error(ql_plan_run(w.plan.get())));
    return last_error(ql_plan_read(w.plan.get(), w.logits, logits_.data(), 0, logits_.size() * sizeof(float)));
}

}  // namespace ql
