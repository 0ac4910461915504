// extern "C": ql/adapter.h
#include "ql/adapter.h"

#include <algorithm>

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "models/adapter/handle.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/model/model.hpp"

using ql::error;
using ql::Status;

namespace {

Status null_argument(const char * function) {
    return error(QL_INVALID_ARGUMENT, "%s: an argument is NULL", function);
}

}  // namespace

extern "C" {

void ql_lora_options_init(ql_lora_options * options) {
    const ql::LoraOptions o;
    if (options)
        *options = {sizeof(ql_lora_options), o.r, static_cast<double>(o.alpha), o.rslora, "all", o.seed, "lora", 0};
}

ql_status ql_adapter_create(const ql_model * model, const ql_lora_options * options, ql_adapter ** adapter) {
    return ql::guarded([&]() -> Status {
        if (!model || !adapter) return null_argument("ql_adapter_create");
        *adapter = nullptr;
        ql_lora_options defaults;
        ql_lora_options_init(&defaults);
        QL_ASSIGN(const ql_lora_options o, ql::take_struct(options, defaults));
        const auto r = static_cast<int>(std::clamp<int64_t>(o.r, 0, INT32_MAX));  // both ends are refused by name
        QL_ASSIGN(const ql::LoraKind kind, ql::kind_named(o.kind ? o.kind : "lora"));
        QL_ASSIGN(ql::Adapter made,
                  ql::new_adapter(*model->model, {r, static_cast<float>(o.alpha), o.rslora != 0,
                                                  o.targets ? o.targets : "all", o.seed, kind, o.norms != 0}));
        *adapter = new ql_adapter{std::move(made), model};
        return {};
    });
}

ql_status ql_adapter_open(const char * path, const ql_model * model, ql_adapter ** adapter) {
    return ql::guarded([&]() -> Status {
        if (!path || !adapter) return null_argument("ql_adapter_open");
        *adapter = nullptr;
        QL_ASSIGN(ql::Adapter loaded, model ? ql::load_adapter(path, *model->model) : ql::read_adapter(path));
        *adapter = new ql_adapter{std::move(loaded), model};
        return {};
    });
}

void ql_adapter_free(ql_adapter * adapter) {
    delete adapter;
}

ql_status ql_adapter_save(const ql_adapter * adapter, const char * path) {
    return ql::guarded([&]() -> Status {
        if (!adapter || !path) return null_argument("ql_adapter_save");
        return adapter->model ? ql::save_adapter(adapter->adapter, *adapter->model->model, path)
                              : ql::save_adapter_alone(adapter->adapter, path);
    });
}

ql_status ql_adapter_save_peft(const ql_adapter * adapter, const char * directory) {
    return ql::guarded([&]() -> Status {
        if (!adapter || !directory) return null_argument("ql_adapter_save_peft");
        if (!adapter->model)
            return error(QL_INVALID_ARGUMENT,
                         "ql_adapter_save_peft: the adapter was opened without its base model, which says how rows are "
                         "ordered");
        return ql::save_peft(adapter->adapter, *adapter->model->model, directory);
    });
}

ql_status ql_adapter_describe(const ql_adapter * adapter, ql_adapter_info * info) {
    return ql::guarded([&]() -> Status {
        if (!adapter) return null_argument("ql_adapter_describe");
        const ql::Adapter & a = adapter->adapter;
        int64_t r_min = a.matrices.empty() ? 0 : a.matrices.front().r, r_max = r_min;
        for (const ql::LoraMatrix & m : a.matrices) r_min = std::min(r_min, m.r), r_max = std::max(r_max, m.r);
        return ql::give_struct(info,
                               {sizeof(*info), a.name.c_str(), a.base_name.c_str(), a.n_parameters(),
                                static_cast<int64_t>(a.matrices.size()), r_min, r_max, a.architecture.c_str(),
                                ql::def_of(a.matrices.empty() ? ql::LoraKind::lora : a.matrices.front().kind).name,
                                static_cast<int64_t>(a.norms.size()), a.merge_type.c_str()});
    });
}

ql_status ql_adapter_matrix(const ql_adapter * adapter, int64_t i, ql_adapter_matrix_info * info) {
    return ql::guarded([&]() -> Status {
        if (!adapter) return null_argument("ql_adapter_matrix");
        const std::vector<ql::LoraMatrix> & all = adapter->adapter.matrices;
        if (i < 0 || i >= static_cast<int64_t>(all.size()))
            return error(QL_INVALID_ARGUMENT, "ql_adapter_matrix: no matrix %lld of %zu", static_cast<long long>(i),
                         all.size());
        const ql::LoraMatrix & m = all[static_cast<size_t>(i)];
        return ql::give_struct(
            info, {sizeof(*info), m.weight.c_str(), m.k, m.m, m.r, static_cast<double>(m.scale), ql::delta_norm(m)});
    });
}

const char * ql_adapter_chat_template(const ql_adapter * adapter) {
    return adapter ? adapter->adapter.chat_template.c_str() : "";
}

const char * ql_adapter_chat_date(const ql_adapter * adapter) {
    return adapter ? adapter->adapter.chat_date.c_str() : "";
}

ql_status ql_adapter_set_chat_template(ql_adapter * adapter, const char * chat_template) {
    return ql::guarded([&]() -> Status {
        if (!adapter) return null_argument("ql_adapter_set_chat_template");
        adapter->adapter.chat_template = chat_template ? chat_template : "";
        return {};
    });
}

}  // extern "C"
