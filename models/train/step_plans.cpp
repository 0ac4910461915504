// The plans of a training step, and what they need of memory: with a budget, how they keep within it.
#include <algorithm>

#include "models/graph/budget.hpp"
#include "models/train/step.hpp"
#include "ql/ql.hpp"

namespace ql {

namespace {

/// Room for the states of a paged optimizer in its step, where the micro-batch's results leave none.
constexpr uint64_t kUpdateRoom = 6 * 1024 * 1024;

}  // namespace

ql_plan_options TrainStep::micro_options(uint64_t memory) const {
    ql_plan_options options{};
    options.size = sizeof(options);
    options.memory = memory;
    if (!options_.spill.empty()) options.spill = options_.spill.c_str();
    if (memory) options.lanes = static_cast<int>(options_.n_batches);
    if (options_.recompute == QL_RECOMPUTE_ALL) options.recomputed = static_cast<int>(model_.hparams().layers.size());
    return options;
}

Status TrainStep::make(PlanPtr & plan, ql_device * device, const std::vector<ql_tensor *> & outputs,
                       uint64_t memory) const {
    ql_plan_options options{};
    options.size = sizeof(options);
    if (&plan == &micro_)
        options = micro_options(memory);
    else
        options.over = micro_.get();
    QL_ASSIGN(plan, make_plan(graph_, device, outputs, options));
    return {};
}

Status TrainStep::make_plans(ql_device * device, uint64_t memory) {
    for (PlanPtr * plan : {&eval_, &update_, &micro_}) plan->reset();
    if (options_.train) {
        QL_TRY(make(micro_, device, micro_outputs_, memory));
        QL_TRY(make(update_, device, update_outputs_, 0));
    }
    QL_TRY(make(eval_, device, {nll_}, 0));
    QL_TRY(merged_.plan(graph_, device, eval_.get()));
    // Arenas, leaves and weights that are read for the first run are not resident before that.
    program_bytes_ = bytes_beside_weights(model_) + kFirstRunBytes;
    if (memory) program_bytes_ += static_cast<uint64_t>(options_.n_tokens) * kTokenBytes;
    return {};
}

/// Of the micro-batch's plan.
Result<uint64_t> TrainStep::least_memory(ql_device * device) const {
    uint64_t bytes = 0;
    const ql_plan_options options = micro_options(1);
    QL_TRY(ql_plan_least_memory(graph_.get(), &device, 1, micro_outputs_.data(),
                                static_cast<int>(micro_outputs_.size()), &options, &bytes));
    return bytes;
}

/// With a paged optimizer, where a budget is too small otherwise: parameters and gradient sums, too, are in memory only
/// while their layer computes.
Status TrainStep::page_out_adapter() {
    std::vector<ql_tensor *> leaves;
    for (const TrainedParam & p : params_)
        if (ql_tensor_bytes(p.param) >= kSmallestPagedState) leaves.insert(leaves.end(), {p.param, p.sum});
    QL_TRY(ql_graph_page_out(graph_.get(), leaves.data(), static_cast<int>(leaves.size()), options_.spill.c_str()));
    for (const ql_tensor * t : leaves) adapter_paged_bytes_ += ql_tensor_bytes(t);
    return {};
}

Status TrainStep::too_small(uint64_t needed) const {
    constexpr uint64_t kMiB = 1024 * 1024;
    return error(
        QL_NO_MEMORY,
        "memory: %llu MiB are given, and this run needs at least %llu MiB; a smaller --ctx, --batch or --lora-r "
        "needs less",
        static_cast<unsigned long long>(options_.memory / kMiB),
        static_cast<unsigned long long>((needed + kMiB - 1) / kMiB));
}

/// The first plan is given what the program and the other plans leave. What these really take is known when they
/// are there; then it is tried again with that.
Status TrainStep::plan(ql_device * device) {
    if (options_.memory == 0 || !options_.train) return make_plans(device, 0);
    const uint64_t lanes = static_cast<uint64_t>(options_.n_batches),
                   nodes = static_cast<uint64_t>(ql_graph_n_nodes(graph_.get()));
    uint64_t others = bytes_beside_weights(model_) + kFirstRunBytes + nodes * (kNodeBytes + lanes * kStepBytes) +
                      optimizer_bytes() + static_cast<uint64_t>(options_.n_tokens) * kTokenBytes +
                      std::min(optimizer_paged_bytes(), kUpdateRoom);
    if (optimizer_paged_bytes() > 0) {  // decided before a plan gives the leaves their places
        QL_ASSIGN(const uint64_t least, least_memory(device));
        if (others + least + kUpdateRoom > options_.memory) QL_TRY(page_out_adapter());
    }
    Status made;
    for (int attempt = 0; attempt <= kAttempts && others < options_.memory; ++attempt) {
        if (made = make_plans(device, options_.memory - others); !made.ok()) break;
        const uint64_t needed = memory().total + program_bytes_;
        if (needed <= options_.memory) return {};
        others += needed - options_.memory + kAttemptBytes;
    }
    if (!made.ok() && made.code() != QL_NO_MEMORY) return made;
    QL_ASSIGN(const uint64_t least, least_memory(device));
    if (!made.ok() && others + least <= options_.memory) return made;  // the system gives no more
    return too_small(others + least);
}

ql_memory_info TrainStep::memory() const {
    ql_memory_info info{sizeof(info)};
    std::vector<const ql_plan *> plans;
    for (const PlanPtr * p : {&micro_, &update_, &eval_, &merged_.plan()})
        if (*p) plans.push_back(p->get());
    (void)ql_plans_memory(plans.data(), static_cast<int>(plans.size()), nullptr, &info);
    return info;
}

}  // namespace ql
