// extern "C": ql/adapter.h
#include "ql/adapter.h"

#include <algorithm>
#include <limits>

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "common/threads.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapter/handle.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/adapter/llama_cpp.hpp"
#include "models/adapter/starts/start.hpp"
#include "models/base/c_text.hpp"
#include "models/model/model.hpp"
#include "models/train/adapter_record.hpp"

using ql::error;
using ql::LoraMatrix;
using ql::Result;
using ql::Status;

namespace {

Result<const LoraMatrix *> matrix_at(const char * function, const ql::Adapter & adapter, int64_t i) {
    if (i >= 0 && i < static_cast<int64_t>(adapter.matrices.size())) return &adapter.matrices[static_cast<size_t>(i)];
    return error(QL_INVALID_ARGUMENT, "%s: no matrix %lld of %zu", function, static_cast<long long>(i),
                 adapter.matrices.size());
}

ql_status open(const char * path, const ql_model * model, ql::BaseRule rule, ql_adapter ** adapter) {
    return ql::guarded([&]() -> Status {
        if (!path || !adapter) return error(QL_INVALID_ARGUMENT, "ql_adapter_open: an argument is NULL");
        *adapter = nullptr;
        const ql::Model * base = model ? model->model.get() : nullptr;
        QL_ASSIGN(ql::Adapter loaded, ql::holds_checkpoint(path) ? ql::load_checkpoint_adapter(path, base, rule)
                                      : base                     ? ql::load_adapter(path, *base, rule)
                                                                 : ql::read_adapter(path));
        if (base && rule == ql::BaseRule::kAny)
            if (const Status same = ql::check_base(loaded, base->name(), base->identity()); !same.ok())
                loaded.notes.push_back(same.message()), add_other_base(loaded.origin, same.message());
        *adapter = new ql_adapter{std::move(loaded), model, rule == ql::BaseRule::kAny, path};
        return {};
    });
}

ql_adapter_state state_of(const ql::Origin & origin, const ql::LoraMatrix & m) {
    switch (ql::matrix_state(origin, m)) {
        case ql::MatrixState::kTrained:
            return QL_ADAPTER_TRAINED;
        case ql::MatrixState::kZeroB:
            return QL_ADAPTER_ZERO_B;
        case ql::MatrixState::kZeroA:
            return QL_ADAPTER_ZERO_A;
        case ql::MatrixState::kZeroScale:
            return QL_ADAPTER_ZERO_SCALE;
        case ql::MatrixState::kStartA:
            return QL_ADAPTER_START_A;
    }
    return QL_ADAPTER_TRAINED;
}

Status null_argument(const char * function) {
    return error(QL_INVALID_ARGUMENT, "%s: an argument is NULL", function);
}

ql::Result<ql::LoraOptions> cpp_options(const ql_lora_options & o) {
    ql::LoraOptions options;
    options.r = o.r;
    QL_TRY(ql::check_alpha("LoRA alpha", o.alpha));  // before it becomes f32, where large ones are infinite
    options.alpha = static_cast<float>(o.alpha), options.rslora = o.rslora != 0, options.seed = o.seed;
    if (o.targets) options.targets = o.targets;
    QL_ASSIGN(options.kind, ql::kind_named(o.kind ? o.kind : "lora"));
    options.norms = o.norms != 0;
    options.layers = ql::text_or_empty(o.layers);
    options.tokens = ql::text_or_empty(o.tokens), options.invocation = ql::text_or_empty(o.invocation);
    options.rank_pattern = ql::text_or_empty(o.rank_pattern),
    options.alpha_pattern = ql::text_or_empty(o.alpha_pattern);
    return options;
}

}  // namespace

extern "C" {

void ql_lora_options_init(ql_lora_options * options) {
    const ql::LoraOptions o;
    if (!options) return;
    *options = {};
    options->size = sizeof(ql_lora_options);
    options->r = o.r, options->alpha = static_cast<double>(o.alpha), options->rslora = o.rslora;
    options->targets = "all", options->seed = o.seed;
    options->kind = "lora";
}

ql_status ql_adapter_create(const ql_model * model, const ql_lora_options * options, ql_adapter ** adapter) {
    return ql::guarded([&]() -> Status {
        if (!model || !adapter) return null_argument("ql_adapter_create");
        *adapter = nullptr;
        ql_lora_options defaults;
        ql_lora_options_init(&defaults);
        QL_ASSIGN(const ql_lora_options o, ql::take_struct(options, defaults));
        QL_ASSIGN(const int threads, ql::choose_threads(o.threads));
        QL_ASSIGN(ql::LoraOptions chosen, cpp_options(o));
        chosen.threads = threads;
        QL_ASSIGN(ql::Adapter made, ql::new_adapter(*model->model, chosen));
        QL_TRY(ql::start_adapter(made, *model->model, {o.init ? o.init : "default", o.seed, threads}));
        *adapter = new ql_adapter{std::move(made), model};
        return {};
    });
}

ql_status ql_lora_init(int64_t i, ql_lora_init_info * info) {
    return ql::guarded([&]() -> Status {
        const auto all = ql::start_methods();
        if (i < 0 || i >= std::ssize(all))
            return error(QL_INVALID_ARGUMENT, "ql_lora_init: no start %lld of %zu", static_cast<long long>(i),
                         all.size());
        const ql::StartMethod & start = all[static_cast<size_t>(i)];
        return ql::give_struct(info, {sizeof(*info), start.name, start.meaning});
    });
}

ql_status ql_adapter_open(const char * path, const ql_model * model, ql_adapter ** adapter) {
    return open(path, model, ql::BaseRule::kSame, adapter);
}

ql_status ql_adapter_open_any_base(const char * path, const ql_model * model, ql_adapter ** adapter) {
    return open(path, model, ql::BaseRule::kAny, adapter);
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
        const ql::Origin & o = a.origin;
        return ql::give_struct(info,
                               {sizeof(*info),
                                a.name.c_str(),
                                a.base_name.c_str(),
                                a.n_parameters(),
                                static_cast<int64_t>(a.matrices.size()),
                                r_min,
                                r_max,
                                a.architecture.c_str(),
                                o.base.model.c_str(),
                                o.base.file.c_str(),
                                o.base_type.c_str(),
                                o.init.c_str(),
                                o.seed.c_str(),
                                o.options.c_str(),
                                o.composed.c_str(),
                                static_cast<int64_t>(o.runs.size()),
                                ql::def_of(a.matrices.empty() ? ql::LoraKind::lora : a.matrices.front().kind).name,
                                static_cast<int64_t>(a.norms.size()),
                                o.merge.type.c_str(),
                                static_cast<int64_t>(a.rows.size()),
                                static_cast<int64_t>(a.invocation.size()),
                                a.invocation.data(),
                                o.merge.rounding.c_str(),
                                o.other_base.c_str()});
    });
}

ql_status ql_adapter_rows(const ql_adapter * adapter, int64_t i, ql_adapter_rows_info * info) {
    return ql::guarded([&]() -> Status {
        if (!adapter) return null_argument("ql_adapter_rows");
        const std::vector<ql::TokenRows> & all = adapter->adapter.rows;
        if (i < 0 || i >= static_cast<int64_t>(all.size()))
            return error(QL_INVALID_ARGUMENT, "ql_adapter_rows: no weight %lld of %zu", static_cast<long long>(i),
                         all.size());
        const ql::TokenRows & rows = all[static_cast<size_t>(i)];
        return ql::give_struct(info, {sizeof(*info), rows.weight.c_str(), rows.n_rows(), rows.width(), rows.ids.data(),
                                      rows.values.data()});
    });
}

ql_status ql_adapter_run(const ql_adapter * adapter, int64_t i, ql_adapter_run_info * info) {
    return ql::guarded([&]() -> Status {
        if (!adapter) return null_argument("ql_adapter_run");
        const std::vector<ql::TrainingRun> & runs = adapter->adapter.origin.runs;
        if (i < 0 || i >= static_cast<int64_t>(runs.size()))
            return error(QL_INVALID_ARGUMENT, "ql_adapter_run: no run %lld of %zu", static_cast<long long>(i),
                         runs.size());
        const ql::TrainingRun & r = runs[static_cast<size_t>(i)];
        constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
        return ql::give_struct(
            info, {sizeof(*info), r.data.c_str(), r.options.c_str(), r.library.c_str(), r.steps, r.tokens,
                   r.loss_first.value_or(unknown), r.loss_last.value_or(unknown), r.eval_best.value_or(unknown)});
    });
}

ql_status ql_adapter_llama_cpp(const ql_adapter * adapter, int64_t i, ql_llama_cpp_info * info) {
    return ql::guarded([&]() -> Status {
        if (!adapter) return null_argument("ql_adapter_llama_cpp");
        QL_ASSIGN(const ql::LoraMatrix * m, matrix_at("ql_adapter_llama_cpp", adapter->adapter, i));
        const ql::LlamaCppUse use = ql::llama_cpp_use(adapter->adapter.architecture, *m);
        const ql_llama_cpp_use kind = use.kind == ql::LlamaCppUse::kApplied   ? QL_LLAMA_CPP_APPLIED
                                      : use.kind == ql::LlamaCppUse::kIgnored ? QL_LLAMA_CPP_IGNORED
                                                                              : QL_LLAMA_CPP_REFUSED;
        return ql::give_struct(info, {sizeof(*info), kind, use.why, ql::kLlamaCppRead});
    });
}

const char * ql_adapter_note(const ql_adapter * adapter, int64_t i) {
    if (!adapter || i < 0 || i >= static_cast<int64_t>(adapter->adapter.notes.size())) return nullptr;
    return adapter->adapter.notes[static_cast<size_t>(i)].c_str();
}

ql_status ql_adapter_matrix(const ql_adapter * adapter, int64_t i, ql_adapter_matrix_info * info) {
    return ql::guarded([&]() -> Status {
        if (!adapter) return null_argument("ql_adapter_matrix");
        QL_ASSIGN(const ql::LoraMatrix * m, matrix_at("ql_adapter_matrix", adapter->adapter, i));
        const ql_adapter_state state = state_of(adapter->adapter.origin, *m);
        const double norm = state == QL_ADAPTER_ZERO_B ? 0 : ql::delta_norm(*m);
        return ql::give_struct(info, {sizeof(*info), m->weight.c_str(), m->k, m->m, m->r, static_cast<double>(m->scale),
                                      norm, state});
    });
}

const char * ql_adapter_chat_template(const ql_adapter * adapter) {
    return adapter ? adapter->adapter.chat_template.c_str() : "";
}

const char * ql_adapter_chat_date(const ql_adapter * adapter) {
    return adapter ? adapter->adapter.chat_date.c_str() : "";
}

const char * ql_adapter_chat_template_kwargs(const ql_adapter * adapter) {
    return adapter ? adapter->adapter.chat_kwargs.c_str() : "";
}

ql_status ql_adapter_set_chat_template(ql_adapter * adapter, const char * chat_template) {
    return ql::guarded([&]() -> Status {
        if (!adapter) return null_argument("ql_adapter_set_chat_template");
        const std::string text = chat_template ? chat_template : "";
        if (text != adapter->adapter.chat_template) adapter->adapter.chat_kwargs = adapter->adapter.chat_date = "";
        adapter->adapter.chat_template = text;
        return {};
    });
}

}  // extern "C"
