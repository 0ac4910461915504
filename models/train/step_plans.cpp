// The plans of a training step, and what they need of memory: with a budget, how they keep within it.
#include <algorithm>

#include "models/base/memory.hpp"
#include "models/graph/budget.hpp"
#include "models/train/embedding_pages.hpp"
#include "models/train/step.hpp"
#include "ql/ql.hpp"

namespace ql {

namespace {

/// Room for the states of a paged optimizer in its step, where the micro-batch's results leave none.
constexpr uint64_t kUpdateRoom = 6 * 1024 * 1024;

/// What is on the heap for each token of a micro-batch: its id, position, span, target and weight, and copies of them on
/// their way into the plan. 55 bytes were measured. Kernels keep nothing besides the plan's scratch.
constexpr uint64_t kBatchTokenBytes = 64;

/// By how much leaves in memory take more than they hold: each has pages of its own, and few fill their last one. Of states
/// of 8 bits that is half as much again.
uint64_t rest_of_pages(const std::vector<TrainedParam> & params, bool adapter_is_paged) {
    uint64_t rest = 0;
    const auto add = [&](const ql_tensor * t) {
        rest += t ? (kPageBytes - ql_tensor_bytes(t) % kPageBytes) % kPageBytes : 0;
    };
    for (const TrainedParam & p : params) {
        const std::vector<ql_tensor *> paged = p.optimizer.paged_states();
        for (const OptimizerState & s : p.optimizer.states())
            if (std::find(paged.begin(), paged.end(), s.tensor) == paged.end()) add(s.tensor);
        if (!adapter_is_paged || ql_tensor_bytes(p.param) < kSmallestPagedState) add(p.param), add(p.sum);
    }
    return rest;
}

}  // namespace

/// What comes into memory when the run has begun, besides results, leaves and weights. The adapter is read back from its file
/// tensor by tensor; of each, the page stays mapped that it shares with the next one. So does a page of each weight that
/// is not used in place.
uint64_t TrainStep::later_bytes(int64_t lanes) const {
    const size_t borders = params_.size() + (options_.memory ? model_.weights().size() : 0);
    return kFirstRunBytes + borders * kPageBytes + static_cast<uint64_t>(lanes * options_.n_tokens) * kBatchTokenBytes;
}

ql_plan_options TrainStep::micro_options(uint64_t memory) const {
    ql_plan_options options{};
    options.size = sizeof(options);
    options.memory = memory;
    if (!options_.spill.empty()) options.spill = options_.spill.c_str();
    if (memory) options.lanes = static_cast<int>(options_.n_batches);
    if (options_.recompute == QL_RECOMPUTE_ALL) options.recomputed = static_cast<int>(model_.hparams().layers.size());
    return options;
}

/// Over the micro-batch's plan.
Status TrainStep::make_over(PlanPtr & plan, ql_device * device, const std::vector<ql_tensor *> & outputs) const {
    ql_plan_options options{};
    options.size = sizeof(options);
    options.over = micro_.get();
    QL_ASSIGN(plan, make_plan(graph_, device, outputs, options));
    return {};
}

Status TrainStep::make_plans(ql_device * device, uint64_t memory) {
    for (PlanPtr * plan : {&eval_, &update_, &micro_}) plan->reset();
    if (options_.train) {
        QL_ASSIGN(micro_, make_plan(graph_, device, micro_outputs_, micro_options(memory)));
        QL_TRY(make_over(update_, device, update_outputs_));
    }
    QL_TRY(make_over(eval_, device, {nll_}));
    QL_TRY(merged_.plan(graph_, device, eval_.get()));
    // Arenas, leaves and weights that are read for the first run are not resident before that.
    program_bytes_ = bytes_beside_weights(model_) + later_bytes(lanes());
    program_bytes_ += rest_of_pages(params_, adapter_paged_bytes_ > 0);
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

/// Without a budget. Where a device has too little memory for what is kept, as much as possible is computed again.
Status TrainStep::plan_freely(ql_device * device) {
    const Status made = make_plans(device, 0);
    if (made.code() != QL_NO_MEMORY || !options_.train || options_.recompute != QL_RECOMPUTE_CHEAP) return made;
    options_.recompute = QL_RECOMPUTE_ALL;
    const Status again = make_plans(device, 0);
    if (again.code() != QL_NO_MEMORY) return again;
    return error(QL_NO_MEMORY,
                 "%s, although layers are computed again; a smaller --ctx, --batch or --lora-r needs less",
                 again.message().c_str());
}

/// Without a budget, where weights are used in place: of an embedding those pages are in memory of which a row occurs.
Status TrainStep::find_unmapped(ql_device * device) {
    ql_device_info info{sizeof(info)};
    QL_TRY(ql_device_describe(device, &info));
    if (info.host_memory && !options_.tokens.empty()) unmapped_bytes_ = unmapped_embedding(model_, options_.tokens);
    return {};
}

/// What needs less memory than this step.
std::string TrainStep::advice() const {
    std::string more = options_.spill.empty() ? "--spill DIR" : "";
    if (!optimizer_def(options_.optimizer).eight_bits)
        more += more.empty() ? "--optim adamw8bit" : " or --optim adamw8bit";
    return "a smaller --ctx, --batch or --lora-r needs less" + (more.empty() ? "" : ", and so does " + more);
}

/// The micro-batch's plan is given what the program and the other plans leave.
Status TrainStep::plan(ql_device * device) {
    if (options_.memory == 0 || !options_.train) {
        QL_TRY(find_unmapped(device));
        return plan_freely(device);
    }
    const uint64_t others = bytes_beside_weights(model_) + later_bytes(1) +
                            static_cast<uint64_t>(ql_graph_n_nodes(graph_.get())) * kNodeBytes + optimizer_bytes() +
                            std::min(optimizer_paged_bytes(), kUpdateRoom) + rest_of_pages(params_, false);
    if (optimizer_paged_bytes() > 0) {  // decided before a plan gives the leaves their places
        QL_ASSIGN(const uint64_t least, least_memory(device));
        if (others + least + kUpdateRoom > options_.memory) QL_TRY(page_out_adapter());
    }
    return plan_within(options_.memory, {others, [&] { return least_memory(device); },
                                         [&](uint64_t bytes) { return make_plans(device, bytes); },
                                         [&] { return memory().total + program_bytes_; }, advice()});
}

ql_memory_info TrainStep::memory() const {
    ql_memory_info info{sizeof(info)};
    std::vector<const ql_plan *> plans;
    for (const PlanPtr * p : {&micro_, &update_, &eval_, &merged_.plan()})
        if (*p) plans.push_back(p->get());
    (void)ql_plans_memory(plans.data(), static_cast<int>(plans.size()), nullptr, &info);
    info.weights -= unmapped_bytes_;
    info.total -= unmapped_bytes_;
    return info;
}

}  // namespace ql
