// The plans of an engine, one for each width: with a budget, how they keep within it.
#include <algorithm>

#include "models/graph/budget.hpp"
#include "models/infer/engine.hpp"
#include "models/infer/memory_info.hpp"

namespace ql {

namespace {

/// Pieces of a long prompt that go through a layer side by side, under a budget: its weights are read once for all.
constexpr int64_t kMostPieces = 4;

ql_plan_options plan_options(int lanes, uint64_t memory) {
    ql_plan_options options{};
    options.size = sizeof(options);
    options.lanes = lanes, options.memory = memory;
    return options;
}

}  // namespace

/// All widths keep the same weights in memory, and use the room of the widest for what they do not keep.
Status Engine::make_plans(ql_device * device, int lanes, uint64_t memory) {
    for (Width & w : widths_) w.plan.reset();
    ql_plan_options options = plan_options(lanes, memory);
    for (auto w = widths_.rbegin(); w != widths_.rend(); ++w) {
        QL_ASSIGN(w->plan, make_plan(graph_, device, {&w->logits, 1}, options));
        if (!options.over) options = plan_options(1, 0), options.over = w->plan.get();
    }
    // The cache, the plans' room and weights that are read for the first run are not resident before that; adapters are.
    const uint64_t held = bytes_beside_weights(model_) + kFirstRunBytes;
    program_bytes_ = held - std::min(held, adapter_bytes_) + static_cast<uint64_t>(widths_.back().n) * kTokenBytes;
    lanes_ = describe().lanes;
    return {};
}

Result<uint64_t> Engine::least_memory(ql_device * device, int lanes) const {
    uint64_t bytes = 0;
    const ql_plan_options options = plan_options(lanes, 1);
    QL_TRY(ql_plan_least_memory(graph_.get(), &device, 1, &widths_.back().logits, 1, &options, &bytes));
    return bytes;
}

Status Engine::plan_all(ql_device * device) {
    if (options_.memory == 0) return make_plans(device, 1, 0);
    const auto nodes = static_cast<uint64_t>(ql_graph_n_nodes(graph_.get()));
    const uint64_t held = bytes_beside_weights(model_);
    const uint64_t others = held - std::min(held, adapter_bytes_) + kFirstRunBytes + nodes * kNodeBytes +
                            static_cast<uint64_t>(widths_.back().n) * kTokenBytes;
    const auto lanes = static_cast<int>(std::clamp<int64_t>(n_sequences() * ctx() / widths_.back().n, 1, kMostPieces));
    return plan_within(options_.memory,
                       {others, [&] { return least_memory(device, lanes); },
                        [&](uint64_t bytes) { return make_plans(device, lanes, bytes); },
                        [&] { return memory().total + program_bytes_; }, "a smaller context (-c) needs less"});
}

ql_memory_info Engine::memory() const {
    ql_memory_info info{sizeof(info)};
    std::vector<const ql_plan *> plans;
    for (const Width & w : widths_)
        if (w.plan) plans.push_back(w.plan.get());
    (void)ql_plans_memory(plans.data(), static_cast<int>(plans.size()), nullptr, &info);
    return info;
}

ql_inference_info Engine::describe() const {
    ql_inference_info info = inference_info(memory(), widths_.back().plan, adapter_bytes_, program_bytes_);
    info.pass_tokens = widths_.back().n;
    info.sequences = n_sequences();
    return info;
}

}  // namespace ql
