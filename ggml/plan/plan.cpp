// Making a plan: the passes rewrite the list, then memory is placed and addresses are bound. Then running is a loop.
#include "ggml/plan/plan.hpp"

#include <algorithm>
#include <cstdlib>

#include "ggml/plan/check.hpp"
#include "ggml/plan/leaves.hpp"

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

std::vector<Device *> parts_of(std::span<Device * const> devices) {
    std::vector<Device *> parts;
    for (Device * d : devices) {
        if (d->parts.empty()) parts.push_back(d);
        parts.insert(parts.end(), d->parts.begin(), d->parts.end());
    }
    return parts;
}

}  // namespace
}  // namespace ql

using ql::Result;
using ql::Status;

Result<std::unique_ptr<ql_plan>> ql_plan::create(ql_graph & graph, std::span<ql_device * const> devices,
                                                 std::span<ql_tensor * const> outputs, const ql_plan_options & options) {
    QL_TRY(graph.status());
    if (outputs.empty()) return ql::error(QL_INVALID_ARGUMENT, "plan: no outputs");
    for (const ql_tensor * t : outputs)
        if (!t || t->graph != &graph)
            return ql::error(QL_INVALID_ARGUMENT, "plan: an output is NULL or of another graph");

    std::unique_ptr<ql_plan> plan(new ql_plan);
    const bool checked = ql::plans_are_checked();
    const std::vector<ql_device *> parts = ql::parts_of(devices);
    QL_TRY(ql::apply_passes(plan->list_, {outputs, parts, options.recomputed}, checked));
    QL_TRY(ql::settle_leaves(plan->list_.leaves()));
    QL_TRY(plan->place(options.over, checked));
    plan->bind();
    QL_ASSIGN(plan->schedule_, ql::Schedule::make(plan->list_, plan->steps_));
    return plan;
}

Status ql_plan::place(const ql_plan * over, bool checked) {
    const auto use = [&](ql_device * device) {
        if (!memory_on(device)) memory_.push_back({device});
    };
    for (const ql::PlanNode * n : list_.nodes) use(n->device);
    for (const ql::Value * leaf : list_.leaves()) use(leaf->device);
    std::sort(memory_.begin(), memory_.end(),
              [](const Memory & a, const Memory & b) { return std::less<>()(a.device, b.device); });
    for (Memory & m : memory_) QL_TRY(place_on(m, over, checked));
    return {};
}

/// Finds a place for every buffer of a device, in another plan's arena if there is one that is large enough. What is
/// read after a run is never there: a run of that plan would overwrite it.
Status ql_plan::place_on(Memory & memory, const ql_plan * over, bool checked) {
    ql_device & device = *memory.device;
    const ql::Layout layout = ql::place_buffers(list_.buffers, &device, device.caps.alignment);
    if (checked) QL_TRY(ql::check_layout(list_, &device, layout));
    const Memory * other = over ? over->memory_on(&device) : nullptr;
    for (const ql::Region region : {ql::Region::arena, ql::Region::outputs, ql::Region::staging}) {
        const size_t bytes = layout.of(region);
        if (bytes == 0) continue;
        if (region == ql::Region::arena && other && other->of(region).bytes >= bytes) {
            memory.of(region) = {&device, other->of(region).data, bytes};
            continue;
        }
        const auto kind = region == ql::Region::staging ? ql::MemoryKind::pinned : ql::MemoryKind::device;
        QL_ASSIGN(memory.of(region), ql::allocate(device, bytes, kind));
    }
    return {};
}

const ql_plan::Memory * ql_plan::memory_on(const ql_device * device) const {
    const auto it = std::find_if(memory_.begin(), memory_.end(), [&](const Memory & m) { return m.device == device; });
    return it == memory_.end() ? nullptr : &*it;
}

void * ql_plan::address(const ql::Buffer & buffer) const {
    return static_cast<std::byte *>(memory_on(buffer.device)->of(buffer.region).data) + buffer.offset;
}

void * ql_plan::address(const ql::Operand * t) const {
    const ql::Value & root = *ql::root_of(t);
    return root.is_leaf() ? ql::leaf_address(root) : address(list_.buffers[root.buffer]);
}

void ql_plan::bind() {
    for (const ql::PlanNode * n : list_.nodes) {
        ql::Step & step = steps_.emplace_back();
        step.node = n;
        step.kernel = n->kernel;
        for (const ql::Operand * t : n->src) step.src.push_back(t ? address(t) : nullptr);
        for (const ql::Operand * t : n->out) step.out.push_back(address(t));
        if (n->scratch != ql::kNoBuffer) step.scratch = static_cast<std::byte *>(address(list_.buffers[n->scratch]));
        if (ql::is_copy(*n))
            step.copy = {step.out[0], step.src[0], n->out[0]->bytes(), ql::memory_kind(*ql::root_of(n->out[0])),
                         ql::memory_kind(*ql::root_of(n->src[0]))};
    }
}

Status ql_plan::run() {
    return run_in_turn(0);
}

/// Waits for the turn on every device, in an order that is one for all plans.
Status ql_plan::run_in_turn(size_t held) {
    if (held == memory_.size()) return schedule_.run(profile_);
    const ql::Turns::Held turn(memory_[held].device->turns);
    return run_in_turn(held + 1);
}

Status ql_plan::read(const ql_tensor & output, void * dst, size_t offset, size_t bytes) const {
    const auto it = std::find_if(list_.outputs.begin(), list_.outputs.end(),
                                 [&](const ql::PlanList::Output & o) { return o.tensor == &output; });
    if (it == list_.outputs.end())
        return ql::error(QL_INVALID_ARGUMENT, "plan read: %s is no output of this plan", ql::describe(output).c_str());
    QL_TRY(ql::check_bytes(output, offset, bytes, "plan read"));
    const auto * from = static_cast<const std::byte *>(address(it->value)) + offset;
    ql_device & device = *ql::root_of(it->value)->device;
    return ql::download(device, dst, from, bytes);
}

void ql_plan::set_profiling(bool on) {
    profile_ = on;
    for (ql::Step & s : steps_) s.seconds = 0, s.runs = 0;
}

void ql_plan::add_memory(const ql_device * device, std::set<std::pair<const ql_tensor *, const ql_device *>> & counted,
                         ql_memory_info & info) const {
    for (const ql::Value * leaf : list_.leaves()) {
        if ((device && leaf->device != device) || !counted.insert({leaf->tensor, leaf->device}).second) continue;
        uint64_t & kind = leaf->kind == ql::TensorKind::weight  ? info.weights
                          : leaf->kind == ql::TensorKind::param ? info.params
                          : leaf->kind == ql::TensorKind::state ? info.states
                                                                : info.inputs;
        kind += leaf->bytes();
        info.total += leaf->bytes();
    }
    for (const Memory & m : memory_) {
        if (device && m.device != device) continue;
        const uint64_t own = m.of(ql::Region::outputs).bytes + m.of(ql::Region::arena).bytes - m.shared();
        info.results += own;
        info.staging += m.of(ql::Region::staging).bytes;
        info.total += own + m.of(ql::Region::staging).bytes;
    }
    for (const ql::PlanNode * n : list_.nodes)
        if (n->scratch != ql::kNoBuffer && (!device || n->device == device))
            info.scratch = std::max<uint64_t>(info.scratch, list_.buffers[n->scratch].bytes);
}

ql_plan_info ql_plan::describe() const {
    ql_plan_info info{};
    info.size = sizeof(info);
    info.n_nodes = static_cast<int64_t>(list_.nodes.size());
    for (const Memory & m : memory_) info.shared_bytes += m.shared();
    std::set<std::pair<const ql_tensor *, const ql_device *>> counted;
    ql_memory_info memory{};
    add_memory(nullptr, counted, memory);
    info.arena_bytes = memory.results + memory.staging + info.shared_bytes;
    info.leaf_bytes = memory.params + memory.states + memory.inputs;
    info.weight_bytes = memory.weights;
    for (const ql::PlanNode * n : list_.nodes) info.flops += ql::flops_of(*n);
    info.peak_bytes = info.arena_bytes + info.leaf_bytes + info.weight_bytes;
    return info;
}
