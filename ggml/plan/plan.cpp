// Making a plan: the passes rewrite the list, then memory is placed and addresses are bound. Then running is a loop.
#include "ggml/plan/plan.hpp"

#include <cstdlib>

#include "ggml/plan/check.hpp"

namespace ql {
namespace {

/// Whether plans verify themselves while they are made: in debug builds, or where $QL_CHECK_PLANS is set.
bool plans_are_checked() {
#ifdef NDEBUG
    return std::getenv("QL_CHECK_PLANS") != nullptr;
#else
    return true;
#endif
}

}  // namespace
}  // namespace ql

using ql::Result;
using ql::Status;

Result<std::unique_ptr<ql_plan>> ql_plan::create(ql_graph & graph, ql_device & device,
                                                 std::span<ql_tensor * const> outputs, const ql_plan * over) {
    QL_TRY(graph.status());
    if (outputs.empty()) return ql::error(QL_INVALID_ARGUMENT, "plan: no outputs");
    for (const ql_tensor * t : outputs)
        if (!t || t->graph != &graph)
            return ql::error(QL_INVALID_ARGUMENT, "plan: an output is NULL or of another graph");

    std::unique_ptr<ql_plan> plan(new ql_plan(device));
    const bool checked = ql::plans_are_checked();
    QL_TRY(ql::apply_passes(plan->list_, {outputs, device}, checked));
    QL_TRY(plan->allocate_leaves());
    QL_TRY(plan->place(over, checked));
    plan->bind();
    QL_TRY(device.backend->compile(*device.impl, plan->steps_, &plan->executable_));
    return plan;
}

ql_plan::~ql_plan() {
    if (executable_) device_.backend->discard(*device_.impl, executable_);
    if (!shares_arena_) ql::release(arena_);
    ql::release(output_memory_);
}

/// Storage for inputs, parameters and states on the device; weights are borrowed where the device reads host memory.
Status ql_plan::allocate_leaves() {
    for (ql_tensor * leaf : list_.leaves()) {
        (leaf->kind == ql::TensorKind::weight ? weight_bytes_ : leaf_bytes_) += leaf->bytes();
        const ql::Storage & storage = leaf->storage;
        if (storage.device && storage.device != &device_)
            return ql::error(QL_INVALID_ARGUMENT,
                             "plan: %s lives on another device, where an earlier plan of this graph put it; make a "
                             "graph for each device",
                             ql::describe(*leaf).c_str());
        if (storage.data && leaf->kind == ql::TensorKind::weight && !device_.backend->host_memory)
            return ql::error(QL_UNSUPPORTED, "plan: %s is in host memory, which %s does not read",
                             ql::describe(*leaf).c_str(), device_.backend->name);
        if (storage.data) continue;
        QL_ASSIGN(leaf->storage, ql::allocate(device_, leaf->bytes()));
    }
    return {};
}

/// Finds a place for every buffer, in another plan's arena if there is one that is large enough. What is read after a
/// run is never there: a run of that plan would overwrite it.
Status ql_plan::place(const ql_plan * over, bool checked) {
    const ql::Layout layout = ql::place_buffers(list_.buffers, device_.caps.alignment);
    if (checked) QL_TRY(ql::check_layout(list_, layout));
    QL_ASSIGN(output_memory_, ql::allocate(device_, layout.outputs));
    if (over && &over->device_ == &device_ && over->arena_.bytes >= layout.arena) {
        shares_arena_ = true;
        arena_ = {&device_, over->arena_.data, layout.arena};
        return {};
    }
    QL_ASSIGN(arena_, ql::allocate(device_, layout.arena));
    return {};
}

void * ql_plan::address(const ql::Buffer & buffer) const {
    return static_cast<std::byte *>((buffer.output ? output_memory_ : arena_).data) + buffer.offset;
}

void * ql_plan::address(const ql::Operand * t) const {
    const ql::Value & root = *ql::root_of(t);
    return root.is_leaf() ? root.tensor->storage.data : address(list_.buffers[root.buffer]);
}

void ql_plan::bind() {
    for (const ql::PlanNode * n : list_.nodes) {
        ql::Step & step = steps_.emplace_back();
        step.node = n;
        step.kernel = n->kernel;
        for (const ql::Operand * t : n->src) step.src.push_back(t ? address(t) : nullptr);
        for (const ql::Operand * t : n->out) step.out.push_back(address(t));
        if (n->scratch != ql::kNoBuffer) step.scratch = static_cast<std::byte *>(address(list_.buffers[n->scratch]));
        flops_ += n->def->flops ? n->def->flops(*n) : static_cast<double>(n->out[0]->shape.elements());
    }
}

Status ql_plan::run() {
    const ql::Turns::Held turn(device_.turns);
    QL_TRY(device_.backend->run(*device_.impl, *executable_, profile_));
    return device_.backend->wait(*device_.impl);
}

Status ql_plan::read(const ql_tensor & output, void * dst, size_t offset, size_t bytes) const {
    for (const ql::PlanList::Output & o : list_.outputs) {
        if (o.tensor != &output) continue;
        if (offset > output.bytes() || bytes > output.bytes() - offset)
            return ql::error(QL_INVALID_ARGUMENT, "plan read: bytes %zu to %zu of %s, which has %zu", offset,
                             offset + bytes, ql::describe(output).c_str(), output.bytes());
        const auto * from = static_cast<const std::byte *>(address(o.value)) + offset;
        return device_.backend->download(*device_.impl, dst, from, bytes);
    }
    return ql::error(QL_INVALID_ARGUMENT, "plan read: %s is no output of this plan", ql::describe(output).c_str());
}

void ql_plan::set_profiling(bool on) {
    profile_ = on;
    for (ql::Step & s : steps_) s.seconds = 0, s.runs = 0;
}

ql_plan_info ql_plan::describe() const {
    ql_plan_info info{};
    info.size = sizeof(info);
    info.n_nodes = static_cast<int64_t>(list_.nodes.size());
    info.arena_bytes = arena_.bytes + output_memory_.bytes;
    info.leaf_bytes = leaf_bytes_;
    info.weight_bytes = weight_bytes_;
    info.peak_bytes = info.arena_bytes + leaf_bytes_ + weight_bytes_;
    info.flops = flops_;
    info.shared_bytes = shares_arena_ ? arena_.bytes : 0;
    return info;
}
