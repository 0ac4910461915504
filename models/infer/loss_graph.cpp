#include "models/infer/loss_graph.hpp"

#include <algorithm>

#include "models/adapter/invocation.hpp"
#include "models/graph/budget.hpp"
#include "models/graph/spans.hpp"
#include "models/infer/memory_info.hpp"

namespace ql {
namespace {

/// Windows side by side under a budget. More would share a pass that eight share already: the weights' reading is an
/// eighth of one by one.
constexpr int64_t kMostWindows = 8;

}  // namespace

Result<std::unique_ptr<LossGraph>> LossGraph::create(const Model & model, ql_device * device,
                                                     std::span<const AppliedAdapter> adapters,
                                                     const LossOptions & options) {
    std::unique_ptr<LossGraph> graph(new LossGraph(model, options));
    QL_TRY(graph->build(device, adapters));
    QL_TRY(graph->plan(device));
    return graph;
}

Status LossGraph::build(ql_device * device, std::span<const AppliedAdapter> adapters) {
    QL_TRY(ql_graph_create(out(graph_)));
    ql_graph * g = graph_.get();
    GraphBuilder b(model_, g);
    QL_ASSIGN(parts_, apply_parts(model_, device, adapters, options_.memory > 0));
    attach_adapters(b, adapters, parts_);
    adapter_bytes_ = bytes_of(adapters, parts_);
    for (const AppliedAdapter & a : adapters)
        if (!a.adapter->invocation.empty()) invocations_.push_back(a.adapter->invocation);
    inputs_ = b.start_stream(options_.n_tokens);
    targets_ = ql_input(g, "targets", QL_I32, 1, &options_.n_tokens);
    weights_ = ql_input(g, "loss_weights", QL_F32, 1, &options_.n_tokens);
    QL_ASSIGN(ql_tensor * const head, this->head(b, adapters));
    (void)b.loss(b.hidden(), head, targets_, weights_, &nll_);
    return ql_graph_status(g);
}

Result<ql_tensor *> LossGraph::head(GraphBuilder & b, std::span<const AppliedAdapter> adapters) {
    if (!changes_head(model_, adapters)) return b.head();
    QL_ASSIGN(head_, merged_head(model_, adapters, parts_));
    return ql_weight(b.graph(), "merged_head", QL_F32, 2, model_.head().ne, head_.get());
}

Status LossGraph::plan(ql_device * device) {
    if (options_.memory == 0) return make(device, 1, 0);
    const uint64_t held = bytes_beside_weights(model_);
    const uint64_t others = held - std::min(held, adapter_bytes_) + kFirstRunBytes +
                            static_cast<uint64_t>(ql_graph_n_nodes(graph_.get())) * kNodeBytes +
                            static_cast<uint64_t>(options_.n_tokens) * kTokenBytes;
    const auto lanes = static_cast<int>(std::clamp<int64_t>(options_.n_windows, 1, kMostWindows));
    return plan_within(options_.memory,
                       {others, [&] { return least_memory(device, lanes); },
                        [&](uint64_t bytes) { return make(device, lanes, bytes); },
                        [&] { return memory().total + program_bytes_; }, "a smaller context (-c) needs less"});
}

ql_plan_options LossGraph::plan_options(int lanes, uint64_t memory) const {
    ql_plan_options options{};
    options.size = sizeof(options);
    options.memory = memory, options.lanes = lanes;
    return options;
}

Result<uint64_t> LossGraph::least_memory(ql_device * device, int lanes) const {
    uint64_t bytes = 0;
    const ql_plan_options options = plan_options(lanes, 1);
    QL_TRY(ql_plan_least_memory(graph_.get(), &device, 1, &nll_, 1, &options, &bytes));
    return bytes;
}

Status LossGraph::make(ql_device * device, int lanes, uint64_t memory) {
    plan_.reset();
    QL_ASSIGN(plan_, make_plan(graph_, device, {&nll_, 1}, plan_options(lanes, memory)));
    // The plan's room and weights that are read for the first run are not resident before that; adapters are.
    const uint64_t held = bytes_beside_weights(model_) + kFirstRunBytes;
    program_bytes_ = held - std::min(held, adapter_bytes_) + static_cast<uint64_t>(options_.n_tokens) * kTokenBytes;
    return {};
}

ql_memory_info LossGraph::memory() const {
    ql_memory_info info{sizeof(info)};
    const ql_plan * plans[] = {plan_.get()};
    (void)ql_plans_memory(plans, 1, nullptr, &info);
    return info;
}

ql_inference_info LossGraph::describe() const {
    ql_inference_info info = inference_info(memory(), plan_, adapter_bytes_, program_bytes_);
    info.pass_tokens = options_.n_tokens;
    return info;
}

Status LossGraph::write(const MicroBatch & batch, int lane) {
    const auto write = [&](ql_tensor * input, const auto & values) {
        return Status(
            ql_plan_write_lane(plan_.get(), lane, input, values.data(), 0, values.size() * sizeof(values[0])));
    };
    QL_TRY(write(inputs_.tokens, batch.tokens));
    if (inputs_.slots) QL_TRY(write(inputs_.slots, slots_of(inputs_.own_ids, batch.tokens)));
    QL_TRY(write(inputs_.positions, batch.positions));
    for (const StreamSpan & s : inputs_.spans) QL_TRY(write(s.span, windowed(batch.span, s.window)));
    for (size_t i = 0; i < inputs_.active.size(); ++i)
        QL_TRY(write(inputs_.active[i], activation(batch.tokens, batch.span, invocations_[i])));
    QL_TRY(write(targets_, batch.targets));
    return write(weights_, batch.weights);
}

Status LossGraph::run(std::span<const MicroBatch> windows) {
    for (size_t i = 0; i < windows.size(); ++i) QL_TRY(write(windows[i], static_cast<int>(i)));
    return ql_plan_run_lanes(plan_.get(), static_cast<int>(windows.size()));
}

Status LossGraph::read(int64_t lane, std::vector<float> & nll) const {
    nll.resize(static_cast<size_t>(options_.n_tokens));
    return ql_plan_read_lane(plan_.get(), static_cast<int>(lane), nll_, nll.data(), 0, nll.size() * sizeof(float));
}

}  // namespace ql
