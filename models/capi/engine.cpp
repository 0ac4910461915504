// extern "C": ql/engine.h
#include "ql/engine.h"

#include <algorithm>

#include "common/guarded.hpp"
#include "models/capi/adapter_list.hpp"
#include "models/capi/checks.hpp"
#include "models/infer/engine.hpp"

using ql::error;
using ql::Status;

struct ql_engine {
    std::unique_ptr<ql::Engine> engine;

    bool has(int64_t sequence) const { return sequence >= 0 && sequence < engine->n_sequences(); }
};

namespace {

Status no_sequence(int64_t sequence) {
    return error(QL_INVALID_ARGUMENT, "sequence %lld is none of the engine's", static_cast<long long>(sequence));
}

}  // namespace

extern "C" {

void ql_engine_options_init(ql_engine_options * options) {
    if (options) *options = {sizeof(ql_engine_options), 0, 1, 0, nullptr, 0, QL_F16, 0};
}

ql_status ql_engine_create(const ql_model * model, ql_device * device, const ql_engine_options * options,
                           ql_engine ** engine) {
    return ql::guarded([&]() -> Status {
        if (!model || !device || !engine) return error(QL_INVALID_ARGUMENT, "ql_engine_create: an argument is NULL");
        ql_engine_options defaults;
        ql_engine_options_init(&defaults);
        QL_ASSIGN(const ql_engine_options o, ql::take_struct(options, defaults));
        QL_ASSIGN(const auto list, ql::adapter_list(*model, o.adapters, nullptr, o.n_adapters));
        std::vector<const ql::Adapter *> adapters;
        for (const ql::AppliedAdapter & a : list) {
            if (!a.adapter->invocation.empty()) return ql::check_is_sum(*a.adapter, "an engine's adapter");
            adapters.push_back(a.adapter);
        }
        const int64_t ctx = o.ctx ? o.ctx : std::min<int64_t>(2048, model->model->hparams().n_ctx);
        QL_ASSIGN(auto made,
                  ql::Engine::create(*model->model, device, adapters,
                                     {ctx, o.n_sequences, o.n_pages, ql::dtype_of_caller(o.cache_type), o.memory}));
        *engine = new ql_engine{std::move(made)};
        return {};
    });
}

void ql_engine_free(ql_engine * engine) {
    delete engine;
}

ql_status ql_engine_set_adapter_scales(ql_engine * engine, int64_t sequence, const float * scales, int n) {
    return ql::guarded([&]() -> Status {
        if (!engine || n < 0 || (n > 0 && !scales))
            return error(QL_INVALID_ARGUMENT, "ql_engine_set_adapter_scales: an argument is NULL");
        return engine->engine->set_factors(sequence, {scales, static_cast<size_t>(n)});
    });
}

ql_status ql_engine_read(ql_engine * engine, const ql_sequence_tokens * parts, int64_t n) {
    return ql::guarded([&]() -> Status {
        if (!engine || n < 0 || (n > 0 && !parts))
            return error(QL_INVALID_ARGUMENT, "ql_engine_read: an argument is NULL");
        if (n > engine->engine->n_sequences())
            return error(QL_INVALID_ARGUMENT, "%lld parts for %lld sequences, each of which is named once",
                         static_cast<long long>(n), static_cast<long long>(engine->engine->n_sequences()));
        std::vector<ql::SequenceTokens> batch;
        for (const ql_sequence_tokens & part : std::span(parts, static_cast<size_t>(n))) {
            if (part.n < 1 || !part.tokens)
                return error(QL_INVALID_ARGUMENT, "sequence %lld: no tokens to read",
                             static_cast<long long>(part.sequence));
            batch.push_back({part.sequence, {part.tokens, static_cast<size_t>(part.n)}, part.logits != 0});
        }
        return engine->engine->read(batch);
    });
}

const float * ql_engine_logits(const ql_engine * engine, int64_t sequence) {
    if (!engine || !engine->has(sequence)) return nullptr;
    const auto logits = engine->engine->logits(sequence);
    return logits.empty() ? nullptr : logits.data();
}

int64_t ql_engine_position(const ql_engine * engine, int64_t sequence) {
    return engine && engine->has(sequence) ? engine->engine->position(sequence) : 0;
}

ql_status ql_engine_truncate(ql_engine * engine, int64_t sequence, int64_t n) {
    return ql::guarded([&]() -> Status {
        if (!engine) return error(QL_INVALID_ARGUMENT, "ql_engine_truncate: the engine is NULL");
        if (!engine->has(sequence)) return no_sequence(sequence);
        const int64_t position = engine->engine->position(sequence);
        if (n < 0 || n > position)
            return error(QL_INVALID_ARGUMENT, "sequence %lld has %lld tokens, %lld of them cannot be kept",
                         static_cast<long long>(sequence), static_cast<long long>(position), static_cast<long long>(n));
        engine->engine->truncate(sequence, n);
        return {};
    });
}

ql_status ql_engine_fork(ql_engine * engine, int64_t from, int64_t to) {
    return ql::guarded([&]() -> Status {
        if (!engine) return error(QL_INVALID_ARGUMENT, "ql_engine_fork: the engine is NULL");
        for (const int64_t sequence : {from, to})
            if (!engine->has(sequence)) return no_sequence(sequence);
        if (from != to) engine->engine->fork(from, to);
        return {};
    });
}

int64_t ql_engine_free_pages(const ql_engine * engine) {
    return engine ? engine->engine->n_free_pages() : 0;
}

ql_status ql_engine_describe(const ql_engine * engine, ql_inference_info * info) {
    return ql::guarded([&]() -> Status {
        if (!engine) return error(QL_INVALID_ARGUMENT, "ql_engine_describe: the engine is NULL");
        return ql::give_struct(info, engine->engine->describe());
    });
}

ql_plan * ql_engine_plan(ql_engine * engine, int64_t n) {
    return engine && n > 0 ? engine->engine->plan(n) : nullptr;
}

}  // extern "C"
