// extern "C": ql/train.h
#include <algorithm>
#include <cmath>

#include "common/guarded.hpp"
#include "models/adapter/starts/eva.hpp"
#include "models/capi/checks.hpp"
#include "models/train/option_ranges.hpp"
#include "models/train/trainer.hpp"

using ql::error;
using ql::Status;

namespace {

using ql::in_range;

Status check(const ql_eva_options & o, const ql::Model & model) {
    QL_TRY(in_range("ctx", static_cast<double>(o.ctx), 0, static_cast<double>(model.hparams().n_ctx)));
    QL_TRY(in_range("batch", static_cast<double>(o.batch), 1, 4096));
    QL_TRY(in_range("n_batches", static_cast<double>(o.n_batches), 1, 1 << 20));
    return in_range("rounds", static_cast<double>(o.rounds), 1, 1000);
}

}  // namespace

extern "C" {

void ql_eva_options_init(ql_eva_options * options) {
    if (!options) return;
    const ql::EvaOptions o;
    *options = {sizeof(*options), 0, o.batch, o.n_batches, o.rounds, o.seed, o.shuffle, o.packing};
}

ql_status ql_adapter_start_eva(ql_adapter * adapter, const ql_model * model, ql_device * device,
                               const ql_dataset * data, const ql_eva_options * options) {
    return ql::guarded([&]() -> Status {
        if (!adapter || !model || !device || !data)
            return error(QL_INVALID_ARGUMENT, "ql_adapter_start_eva: an argument is NULL");
        ql_eva_options defaults;
        ql_eva_options_init(&defaults);
        QL_ASSIGN(const ql_eva_options o, ql::take_struct(options, defaults));
        QL_TRY(check(o, *model->model));
        QL_TRY(ql::check_made_for(*adapter, *model));
        QL_TRY(ql::check_made_for(*data, *model));
        const int64_t ctx = o.ctx > 0 ? o.ctx : std::min<int64_t>(512, model->model->hparams().n_ctx);
        return ql::start_eva(adapter->adapter, *model->model, device, data->data,
                             {ctx, o.batch, o.n_batches, o.rounds, o.shuffle != 0, o.packing != 0, o.seed});
    });
}

void ql_train_options_init(ql_train_options * options) {
    if (!options) return;
    *options = {};
    options->size = sizeof(*options);
    options->batch = 1;
    options->schedule = QL_SCHEDULE_COSINE;
    options->warmup = 0.03;
    options->decay = 0.2;
    options->beta1 = options->beta2 = -1;
    options->eps = 1e-8;
    options->clip = 1.0;
    options->lora_plus_ratio = 1;
    options->seed = 42;
    options->shuffle = options->packing = 1;
    options->recompute = QL_RECOMPUTE_CHEAP;
    options->save_every = 100;
    options->keep = 2;
    options->merge_type = QL_MERGE_NONE;
    options->loss_scale_steps = 2000;
}

ql_status ql_optimizer_describe(ql_optimizer optimizer, ql_optimizer_info * info) {
    return ql::guarded([&]() -> Status {
        QL_TRY(ql::check_enum("optimizer", optimizer, ql::kLastOptimizer));
        const ql::OptimizerDef & def = ql::optimizer_def(optimizer);
        return ql::give_struct(info, {sizeof(*info), def.name, def.beta1, def.beta2, nullptr, def.is_paged()});
    });
}

ql_status ql_trainer_create(const ql_model * model, ql_device * device, ql_adapter * adapter, const ql_dataset * data,
                            const ql_dataset * eval, const ql_train_options * options, ql_trainer ** trainer) {
    return ql::guarded([&]() -> Status {
        if (!model || !device || !adapter || !data || !trainer)
            return error(QL_INVALID_ARGUMENT, "ql_trainer_create: an argument is NULL");
        ql_train_options defaults;
        ql_train_options_init(&defaults);
        QL_ASSIGN(const ql_train_options o, ql::take_struct(options, defaults));
        QL_TRY(ql::check_train_options(o));
        QL_TRY(ql::check_made_for(*adapter, *model));
        QL_TRY(ql::check_made_for(*data, *model));
        if (eval) QL_TRY(ql::check_made_for(*eval, *model));
        QL_ASSIGN(auto made, ql::Trainer::create(*model->model, device, adapter->adapter, data->data,
                                                 eval ? &eval->data : nullptr, o));
        *trainer = new ql_trainer{std::move(made)};
        return {};
    });
}

void ql_trainer_free(ql_trainer * trainer) {
    delete trainer;
}

ql_status ql_trainer_describe(const ql_trainer * trainer, ql_trainer_info * info) {
    return ql::guarded([&]() -> Status {
        if (!trainer) return error(QL_INVALID_ARGUMENT, "ql_trainer_describe: trainer is NULL");
        return ql::give_struct(info, trainer->trainer->describe());
    });
}

ql_plan * ql_trainer_plan(ql_trainer * trainer, ql_train_plan which) {
    if (!trainer || !ql::check_enum("which", which, QL_TRAIN_PLAN_UPDATE).ok()) return nullptr;
    return trainer->trainer->plan(which);
}

ql_status ql_trainer_evaluate(ql_trainer * trainer, double * loss, int64_t * tokens) {
    return ql::guarded([&]() -> Status {
        if (!trainer || !loss || !tokens) return error(QL_INVALID_ARGUMENT, "ql_trainer_evaluate: an argument is NULL");
        return trainer->trainer->evaluate(*loss, *tokens);
    });
}

ql_status ql_trainer_run(ql_trainer * trainer) {
    return ql::guarded([&]() -> Status {
        if (!trainer) return error(QL_INVALID_ARGUMENT, "ql_trainer_run: trainer is NULL");
        return trainer->trainer->run();
    });
}

ql_status ql_trainer_read_adapter(ql_trainer * trainer) {
    return ql::guarded([&]() -> Status {
        if (!trainer) return error(QL_INVALID_ARGUMENT, "ql_trainer_read_adapter: trainer is NULL");
        return trainer->trainer->read_adapter();
    });
}

ql_status ql_trainer_remove_checkpoints(ql_trainer * trainer) {
    return ql::guarded([&]() -> Status {
        if (!trainer) return error(QL_INVALID_ARGUMENT, "ql_trainer_remove_checkpoints: trainer is NULL");
        return trainer->trainer->remove_checkpoints();
    });
}

ql_status ql_trainer_summary(const ql_trainer * trainer, ql_train_summary * summary) {
    return ql::guarded([&]() -> Status {
        if (!trainer) return error(QL_INVALID_ARGUMENT, "ql_trainer_summary: trainer is NULL");
        return ql::give_struct(summary, trainer->trainer->summary());
    });
}

}  // extern "C"
