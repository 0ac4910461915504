// extern "C": composing and merging adapters (ql/adapter.h)
#include <vector>

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "common/threads.hpp"
#include "models/adapter/compose/compose.hpp"
#include "models/adapter/exact_merge.hpp"
#include "models/adapter/handle.hpp"
#include "models/adapter/merge.hpp"

using ql::error;
using ql::Status;

extern "C" {

void ql_compose_options_init(ql_compose_options * options) {
    if (options) *options = {sizeof(ql_compose_options), "cat", 0, 1, 42, 0};
}

ql_status ql_compose_method(int64_t i, ql_compose_method_info * info) {
    return ql::guarded([&]() -> Status {
        const auto all = ql::compose_methods();
        if (i < 0 || i >= static_cast<int64_t>(all.size()))
            return error(QL_INVALID_ARGUMENT, "ql_compose_method: no method %lld of %zu", static_cast<long long>(i),
                         all.size());
        const ql::ComposeMethod & m = all[static_cast<size_t>(i)];
        return ql::give_struct(info, {sizeof(*info), m.name, m.meaning, m.takes_rank, m.takes_density});
    });
}

ql_status ql_adapter_compose(const ql_adapter * const * adapters, const double * weights, int n,
                             const ql_compose_options * options, ql_adapter ** adapter) {
    return ql::guarded([&]() -> Status {
        if (!adapters || !weights || !adapter)
            return error(QL_INVALID_ARGUMENT, "ql_adapter_compose: an argument is NULL");
        *adapter = nullptr;
        ql_compose_options defaults;
        ql_compose_options_init(&defaults);
        QL_ASSIGN(const ql_compose_options o, ql::take_struct(options, defaults));
        std::vector<ql::WeightedAdapter> parts;
        bool any_base = false;
        for (int i = 0; i < n; ++i) {
            if (!adapters[i]) return error(QL_INVALID_ARGUMENT, "ql_adapter_compose: adapter %d is NULL", i);
            parts.push_back({&adapters[i]->adapter, weights[i], adapters[i]->path});
            any_base |= adapters[i]->any_base;
        }
        QL_ASSIGN(const int threads, ql::choose_threads(o.threads));
        QL_ASSIGN(ql::Adapter made, ql::compose_adapters(parts, {o.method ? o.method : defaults.method, o.rank,
                                                                 o.density, o.seed, threads,
                                                                 any_base ? ql::BaseRule::kAny : ql::BaseRule::kSame}));
        *adapter = new ql_adapter{std::move(made), adapters[0]->model, any_base};
        return {};
    });
}

ql_status ql_adapter_check_merge(const ql_adapter * adapter, const ql_model * base,
                                 const ql_quantize_options * options) {
    return ql::guarded([&]() -> Status {
        if (!adapter || !base) return error(QL_INVALID_ARGUMENT, "ql_adapter_check_merge: an argument is NULL");
        ql_quantize_options defaults;
        ql_quantize_options_init(&defaults);
        defaults.type = QL_F16;
        QL_ASSIGN(const ql_quantize_options o, ql::take_struct(options, defaults));
        return ql::check_exact_merge(adapter->adapter, *base->model, o);
    });
}

ql_status ql_adapter_merge(const ql_adapter * adapter, const char * base, const char * out,
                           const ql_quantize_options * options) {
    return ql::guarded([&]() -> Status {
        if (!adapter || !base || !out) return error(QL_INVALID_ARGUMENT, "ql_adapter_merge: an argument is NULL");
        ql_quantize_options defaults;
        ql_quantize_options_init(&defaults);
        defaults.type = QL_F16;
        QL_ASSIGN(const ql_quantize_options o, ql::take_struct(options, defaults));
        return ql::merge_adapter(adapter->adapter, base, out, o,
                                 adapter->any_base ? ql::BaseRule::kAny : ql::BaseRule::kSame);
    });
}

}  // extern "C"
