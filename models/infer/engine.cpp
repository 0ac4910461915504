// How the engine is built: the cache, the graph in each width, their plans.
#include "models/infer/engine.hpp"

#include <algorithm>

#include "models/infer/memory_info.hpp"

namespace ql {
namespace {

/// Tokens read at once. What is left of a prompt, or of a batch, is padded to the narrowest width that takes it whole:
/// 4 are read about as fast as one, as reading the weights is what takes the time; 8 are a batch of a few sequences;
/// 512 are enough for the decoding of the weights to cost little.
constexpr int64_t kWidths[] = {1, 4, 8, 32, 128, 512};

Status check_options(const Model & model, const EngineOptions & o) {
    if (o.ctx < 1 || o.ctx > model.hparams().n_ctx)
        return error(QL_INVALID_ARGUMENT, "context of %lld tokens: 1 to %lld are possible with this model",
                     static_cast<long long>(o.ctx), static_cast<long long>(model.hparams().n_ctx));
    const int64_t most = INT32_MAX / (entries_of(pages_of(o.ctx)) * kPageTokens);
    if (o.n_sequences < 1 || o.n_sequences > most)
        return error(QL_INVALID_ARGUMENT, "%lld sequences: 1 to %lld are possible with a context of %lld tokens",
                     static_cast<long long>(o.n_sequences), static_cast<long long>(most),
                     static_cast<long long>(o.ctx));
    const int64_t all_pages = o.n_sequences * pages_of(o.ctx);
    if (o.n_pages < 0 || o.n_pages > all_pages)
        return error(QL_INVALID_ARGUMENT,
                     "a cache of %lld pages: 1 to %lld are possible, which %lld sequences can fill",
                     static_cast<long long>(o.n_pages), static_cast<long long>(all_pages),
                     static_cast<long long>(o.n_sequences));
    if (o.least_width < 1 || o.least_width > *std::rbegin(kWidths))
        return error(QL_INVALID_ARGUMENT, "plans of at least %lld tokens: 1 to %lld are possible",
                     static_cast<long long>(o.least_width), static_cast<long long>(*std::rbegin(kWidths)));
    if (o.cache_type != QL_F16 && o.cache_type != QL_F32)
        return error(QL_BAD_DTYPE, "a cache of keys and values is f16 or f32, not %s",
                     ql_dtype_name(o.cache_type) ? ql_dtype_name(o.cache_type) : "of an unknown type");
    return {};
}

EngineOptions with_pages(EngineOptions o) {
    if (o.n_pages == 0) o.n_pages = o.n_sequences * pages_of(o.ctx);
    return o;
}

}  // namespace

Engine::Engine(const Model & model, MixedAdapters adapters, const EngineOptions & options)
    : model_(model),
      options_(options),
      adapters_(std::move(adapters)),
      cache_(options.n_pages, options.n_sequences),
      states_(static_cast<size_t>(options.n_sequences)) {
    for (State & state : states_) {
        state.factors.resize(static_cast<size_t>(n_adapters()));
        state.starts.resize(static_cast<size_t>(n_adapters()));
    }
}

Result<std::unique_ptr<Engine>> Engine::create(const Model & model, ql_device * device,
                                               std::span<const Adapter * const> adapters, const EngineOptions & options,
                                               std::span<const AppliedAdapter> fixed) {
    QL_TRY(check_options(model, options));
    if (adapters.size() > QL_LORA_MIX_MOST)
        return error(QL_INVALID_ARGUMENT, "%zu adapters, 0 to %d are possible", adapters.size(), QL_LORA_MIX_MOST);
    for (const Adapter * adapter : adapters)
        if (!is_branches(*adapter)) return check_is_sum(*adapter, "an engine's adapter");
    ql_device_info info{sizeof(info)};
    QL_TRY(ql_device_describe(device, &info));
    std::unique_ptr<Engine> engine(new Engine(model, MixedAdapters(adapters, info.bf16 != 0), with_pages(options)));
    for (const AppliedAdapter & f : fixed) engine->fixed_.push_back({*f.adapter, f.factor});
    QL_TRY(engine->build(device));
    return engine;
}

void Engine::build_cache() {
    const Hparams & h = model_.hparams();
    leaves_.page = kPageTokens;
    leaves_.n_pages = options_.n_pages;
    leaves_.n_ctx = ctx();
    // For all sequences at once, full or with all pages in use; where many share pages, a batch may need more runs.
    leaves_.n_entries = std::min(options_.n_sequences * entries_of(pages_of(ctx())),
                                 options_.n_pages + options_.n_sequences * (entries_of(1) - 1));
    for (int64_t i = 0; i < h.n_layer(); ++i) {
        const int64_t ne[] = {h.layer(i).n_head_kv * h.head_dim, leaves_.page * leaves_.n_pages};
        const std::string layer = std::to_string(i);
        leaves_.k.push_back(ql_state(graph_.get(), ("cache_k." + layer).c_str(), options_.cache_type, 2, ne));
        leaves_.v.push_back(ql_state(graph_.get(), ("cache_v." + layer).c_str(), options_.cache_type, 2, ne));
    }
}

Engine::Width Engine::build_width(GraphBuilder & b, int64_t n, const std::string & suffix) {
    Width w;
    w.n = n;
    w.inputs = b.start_stream(n, suffix);
    w.n_last = std::min(n, n_sequences());
    w.last = ql_input(b.graph(), ("last" + suffix).c_str(), QL_I32, 1, &w.n_last);
    w.logits = b.logits(b.keep_tokens(b.hidden(), w.last));
    return w;
}

Status Engine::build(ql_device * device) {
    QL_TRY(ql_graph_create(out(graph_)));
    ql_graph * g = graph_.get();
    build_cache();
    GraphBuilder b(model_, g);
    b.set_cache(&leaves_);
    std::vector<AppliedAdapter> fixed;
    for (const FixedAdapter & f : fixed_) fixed.push_back({&f.adapter, f.factor});
    QL_ASSIGN(fixed_parts_, apply_parts(model_, device, fixed, options_.memory > 0));
    attach_adapters(b, fixed, fixed_parts_);
    adapters_.attach(b);
    for (const int64_t n : kWidths) {
        if (n < options_.least_width) continue;
        widths_.push_back(build_width(b, n, "." + std::to_string(n)));
        if (n >= kPageTokens * n_pages()) break;  // a wider plan would never be full
    }
    QL_TRY(ql_graph_status(g));
    adapter_bytes_ = bytes_of(fixed, fixed_parts_) + adapters_.bytes();
    return plan_all(device);
}

}  // namespace ql
