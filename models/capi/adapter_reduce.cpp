// extern "C": adapters out of two models, and smaller ones (ql/adapter.h)
#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "common/threads.hpp"
#include "models/adapter/compose/extract.hpp"
#include "models/adapter/compose/reduce.hpp"
#include "models/adapter/compose/to_lora.hpp"
#include "models/adapter/handle.hpp"

using ql::error;
using ql::Status;

namespace {

ql::OnChange callback(ql_on_adapter_change on_change, void * user) {
    if (!on_change) return nullptr;
    return [=](const ql::AdapterChange & c, int64_t index, int64_t n) -> Status {
        const ql_adapter_change change{sizeof(change), c.weight.c_str(), c.k,   c.m, c.r_from, c.r, c.norm,
                                       c.error,        c.note.c_str(),   index, n};
        if (on_change(user, &change) == 0) return {};
        return error(QL_CANCELLED, "stopped after %lld of %lld weights", static_cast<long long>(index + 1),
                     static_cast<long long>(n));
    };
}

template <typename T>
T defaults(void (*init)(T *)) {
    T options;
    init(&options);
    return options;
}

}  // namespace

extern "C" {

void ql_extract_options_init(ql_extract_options * options) {
    if (options) *options = {sizeof(*options), ql::ExtractOptions().rank, 0, nullptr, nullptr};
}

ql_status ql_adapter_extract(const ql_model * base, const ql_model * tuned, const ql_extract_options * options,
                             ql_adapter ** adapter) {
    return ql::guarded([&]() -> Status {
        if (!base || !tuned || !adapter) return error(QL_INVALID_ARGUMENT, "ql_adapter_extract: an argument is NULL");
        *adapter = nullptr;
        QL_ASSIGN(const ql_extract_options o, ql::take_struct(options, defaults(ql_extract_options_init)));
        QL_ASSIGN(const int threads, ql::choose_threads(o.threads));
        QL_ASSIGN(ql::Adapter made,
                  ql::extract_adapter(*base->model, *tuned->model, {o.rank, threads}, callback(o.on_change, o.user)));
        *adapter = new ql_adapter{std::move(made), base};
        return {};
    });
}

void ql_resize_options_init(ql_resize_options * options) {
    if (options) *options = {sizeof(*options), 0, 1, 0, nullptr, nullptr};
}

ql_status ql_adapter_resize(const ql_adapter * adapter, const ql_resize_options * options, ql_adapter ** resized) {
    return ql::guarded([&]() -> Status {
        if (!adapter || !resized) return error(QL_INVALID_ARGUMENT, "ql_adapter_resize: an argument is NULL");
        *resized = nullptr;
        QL_ASSIGN(const ql_resize_options o, ql::take_struct(options, defaults(ql_resize_options_init)));
        QL_ASSIGN(const int threads, ql::choose_threads(o.threads));
        QL_ASSIGN(ql::Adapter made,
                  ql::resize_adapter(adapter->adapter, {o.rank, o.energy, threads}, callback(o.on_change, o.user)));
        *resized = new ql_adapter{std::move(made), adapter->model, adapter->any_base};
        return {};
    });
}

void ql_to_lora_options_init(ql_to_lora_options * options) {
    if (options) *options = {sizeof(*options), ql::ToLoraOptions().rank, 0, nullptr, nullptr};
}

ql_status ql_adapter_to_lora(const ql_adapter * adapter, const ql_to_lora_options * options, ql_adapter ** lora) {
    return ql::guarded([&]() -> Status {
        if (!adapter || !lora) return error(QL_INVALID_ARGUMENT, "ql_adapter_to_lora: an argument is NULL");
        *lora = nullptr;
        if (!adapter->model)
            return error(QL_INVALID_ARGUMENT,
                         "ql_adapter_to_lora: the adapter was opened without its base model, whose weights are needed");
        QL_ASSIGN(const ql_to_lora_options o, ql::take_struct(options, defaults(ql_to_lora_options_init)));
        QL_ASSIGN(const int threads, ql::choose_threads(o.threads));
        QL_ASSIGN(ql::Adapter made, ql::to_lora(adapter->adapter, *adapter->model->model, {o.rank, threads},
                                                callback(o.on_change, o.user)));
        *lora = new ql_adapter{std::move(made), adapter->model, adapter->any_base};
        return {};
    });
}

void ql_prune_options_init(ql_prune_options * options) {
    if (options) *options = {sizeof(*options), nullptr, 0, 1, nullptr, nullptr};
}

ql_status ql_adapter_prune(const ql_adapter * adapter, const ql_prune_options * options, ql_adapter ** pruned) {
    return ql::guarded([&]() -> Status {
        if (!adapter || !pruned) return error(QL_INVALID_ARGUMENT, "ql_adapter_prune: an argument is NULL");
        *pruned = nullptr;
        QL_ASSIGN(const ql_prune_options o, ql::take_struct(options, defaults(ql_prune_options_init)));
        QL_ASSIGN(ql::Adapter made, ql::prune_adapter(adapter->adapter, {o.drop ? o.drop : "", o.least_norm, o.energy},
                                                      callback(o.on_change, o.user)));
        *pruned = new ql_adapter{std::move(made), adapter->model, adapter->any_base};
        return {};
    });
}

}  // extern "C"
