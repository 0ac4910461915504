// Speed of training: a few steps on made-up text through the whole trainer, with no file but a temporary text.
#include "ql/os.h"
#include "tools/bench/bench.hpp"
#include "tools/bench/made_up_text.hpp"
#include "tools/bench/profile.hpp"
#include "tools/cli/memory_plan.hpp"
#include "tools/cli/progress.hpp"

namespace ql::cli {
namespace {

struct Rates {
    std::vector<double> tok_s;
    Progress * progress;
    ql_trainer * trainer = nullptr;  // set where its steps are to be profiled
    double start = 0, seconds = 0;   // of the profiled steps
};

constexpr ql_train_plan kPlans[] = {QL_TRAIN_PLAN_MICRO_BATCH, QL_TRAIN_PLAN_UPDATE};

int on_progress(void * user, const ql_train_progress * p) {
    auto & rates = *static_cast<Rates *>(user);
    if (p->step > 1) rates.tok_s.push_back(p->tok_s);  // the first step warms up
    if (p->step == 1 && rates.trainer) {
        for (const ql_train_plan plan : kPlans) (void)ql_plan_set_profiling(ql_trainer_plan(rates.trainer, plan), 1);
        rates.start = ql_os_seconds();
    }
    rates.seconds = ql_os_seconds() - rates.start;
    rates.progress->update(static_cast<double>(p->step), static_cast<double>(p->n_steps),
                           format("%.0f tok/s", p->tok_s));
    return g_interrupt != 0;
}

}  // namespace

std::vector<Figure> bench_train(const Program & program, const ModelPtr & model, const DevicePtr & device,
                                const TrainBench & o, const std::function<Limits()> & measure_limits) {
    const ql_model_info info = ModelOptions::describe(model);
    if (o.ctx > info.n_ctx)
        bad_input("--ctx: %lld is out of range; 8 to %lld are possible with this model", static_cast<long long>(o.ctx),
                  static_cast<long long>(info.n_ctx));
    const MadeUpText text(o.ctx * o.batch * (o.steps + 1));
    auto data_options = defaults<ql_dataset_options>();
    data_options.ctx = o.ctx;
    DatasetPtr data;
    check_input(ql_dataset_open(text.path().c_str(), model.get(), &data_options, out(data)));

    auto lora = defaults<ql_lora_options>();
    lora.r = o.lora_r;
    lora.kind = o.lora_type.c_str();
    AdapterPtr adapter;
    check_input(ql_adapter_create(model.get(), &lora, out(adapter)));

    program.begin_work();
    Progress progress("train", program.quiet);
    Rates rates{{}, &progress};
    auto options = defaults<ql_train_options>();
    options.ctx = o.ctx, options.batch = o.batch, options.grad_accum = 1, options.steps = o.steps + 1;
    options.memory = o.memory, options.spill = o.spill;
    options.user = &rates, options.on_progress = on_progress;
    options.cancelled = [](void *) { return g_interrupt != 0 ? 1 : 0; };
    TrainerPtr trainer;
    check_run(within_budget(
        ql_trainer_create(model.get(), device.get(), adapter.get(), data.get(), nullptr, &options, out(trainer)),
        o.memory));
    auto plan = sized<ql_trainer_info>();
    check_run(ql_trainer_describe(trainer.get(), &plan));
    if (o.profile) rates.trainer = trainer.get();
    check_run(ql_trainer_run(trainer.get()));
    progress.clear();
    say_peak(program);
    const Limits limits = measure_limits();
    if (o.profile) {
        Profile profile;
        for (const ql_train_plan p : kPlans) profile.add(ql_trainer_plan(trainer.get(), p));
        profile.print(o.steps, rates.seconds, limits);
    }
    const double gflop_per_token = plan.flops_per_step / 1e9 / static_cast<double>(o.ctx * o.batch);
    const std::string kind = o.lora_type == "lora" ? "" : o.lora_type + " ";
    const std::string shape = format("%s, %sr %lld, batch %lld", info.base_type, kind.c_str(),
                                     static_cast<long long>(o.lora_r), static_cast<long long>(o.batch));
    return {figure(format("train_%lld", static_cast<long long>(o.ctx)), shape, rates.tok_s, "tok/s",
                   limits.gflops / gflop_per_token)};
}

}  // namespace ql::cli
