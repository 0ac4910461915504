// Making a plan: the passes rewrite the list, then memory is placed and addresses are bound. Then running is a loop.
// addresses.cpp: where operands lie. run.cpp: moves of pages and the loop. describe.cpp: what a plan tells of itself.
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

Status check_outputs(const Graph & graph, std::span<Tensor * const> outputs) {
    QL_TRY(graph.status());
    if (outputs.empty()) return error(QL_INVALID_ARGUMENT, "plan: no outputs");
    for (const Tensor * t : outputs)
        if (!t || t->graph != &graph) return error(QL_INVALID_ARGUMENT, "plan: an output is NULL or of another graph");
    return {};
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

Result<size_t> ql_plan::least_memory(ql_graph & graph, std::span<ql_device * const> devices,
                                     std::span<ql_tensor * const> outputs, const ql_plan_options & options) {
    QL_TRY(ql::check_outputs(graph, outputs));
    const std::vector<ql_device *> parts = ql::parts_of(devices);
    return ql::least_memory({outputs, parts, options.recomputed}, options);
}

Result<std::unique_ptr<ql_plan>> ql_plan::create(ql_graph & graph, std::span<ql_device * const> devices,
                                                 std::span<ql_tensor * const> outputs,
                                                 const ql_plan_options & options) {
    QL_TRY(ql::check_outputs(graph, outputs));
    std::unique_ptr<ql_plan> plan(new ql_plan);
    const bool checked = ql::plans_are_checked();
    const std::vector<ql_device *> parts = ql::parts_of(devices);
    QL_ASSIGN(plan->choice_, ql::make_list(plan->list_, {outputs, parts, options.recomputed}, options,
                                           options.over ? &options.over->choice_ : nullptr, checked));
    const std::vector<const ql::Value *> leaves = plan->list_.leaves();
    QL_TRY(ql::settle_leaves(leaves));
    if (plan->choice_.paged) QL_TRY(ql::settle_weights(leaves, plan->choice_.paging.resident));
    plan->filled_ = !ql::have_copies(leaves);
    plan->weights_read_ = options.over ? options.over->weights_read_ : std::make_shared<std::set<const ql_tensor *>>();
    QL_TRY(plan->place(options.over, checked));
    QL_TRY(plan->place_inputs());
    QL_TRY(plan->make_row_readers());
    plan->bind();
    QL_TRY(plan->prepare_moves(options.spill, options.memory));
    QL_TRY(plan->make_schedules());
    return plan;
}

size_t ql_plan::Memory::shared() const {
    size_t bytes = 0;
    for (const ql::Region region : {ql::Region::arena, ql::Region::pages})
        if (!owns(region)) bytes += of(region).bytes;
    return bytes;
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

/// Finds a place for every buffer of a device, in another plan's memory if there is one that is large enough. What is
/// read after a run is never there: a run of that plan would overwrite it.
Status ql_plan::place_on(Memory & memory, const ql_plan * over, bool checked) {
    ql_device & device = *memory.device;
    memory.layout = ql::place_buffers(list_.buffers, &device, device.caps.alignment);
    if (checked) QL_TRY(ql::check_layout(list_, &device, memory.layout));
    memory.layout.of(ql::Region::pages) = choice_.paging.page_bytes;
    const Memory * other = over ? over->memory_on(&device) : nullptr;
    for (size_t r = 0; r < static_cast<size_t>(ql::Region::count); ++r) {
        const auto region = static_cast<ql::Region>(r);
        const size_t bytes = memory.layout.of(region) * ql::memories_of(region, static_cast<size_t>(choice_.lanes));
        if (bytes == 0) continue;
        if (void * data = other ? place_in(*other, memory, region, bytes) : nullptr) {
            memory.of(region) = {&device, data, bytes};
            continue;
        }
        const auto kind = region == ql::Region::staging ? ql::MemoryKind::pinned : ql::MemoryKind::device;
        QL_ASSIGN(memory.of(region), ql::allocate(device, bytes, kind));
    }
    return {};
}

/// Where another plan has room for a region; null: nowhere. Pages lie where its pages are, or behind our results in its
/// arena, as nothing of both is needed between two runs.
void * ql_plan::place_in(const Memory & other, const Memory & memory, ql::Region region, size_t bytes) {
    if (region != ql::Region::arena && region != ql::Region::pages) return nullptr;
    if (other.of(region).bytes >= bytes) return other.of(region).data;
    if (region == ql::Region::arena) return nullptr;
    const ql::Storage & arena = other.of(ql::Region::arena);
    const bool is_ours = memory.of(ql::Region::arena).data == arena.data;
    const size_t taken = is_ours ? ql::padded(memory.of(ql::Region::arena).bytes, memory.device->caps.alignment) : 0;
    return arena.bytes >= taken + bytes ? static_cast<std::byte *>(arena.data) + taken : nullptr;
}

/// The first lane's inputs are the graph's.
Status ql_plan::place_inputs() {
    lanes_.resize(static_cast<size_t>(choice_.lanes));
    if (lanes_.size() == 1) return {};
    ql_device & device = *memory_[0].device;
    for (const ql::Value * leaf : list_.leaves())
        if (leaf->kind == ql::TensorKind::input) inputs_.push_back(leaf);
    const size_t bytes = ql::input_bytes(list_, device.caps.alignment) * (lanes_.size() - 1);
    if (bytes == 0) return {};
    QL_ASSIGN(lane_inputs_, ql::allocate(device, bytes));
    auto * next = static_cast<std::byte *>(lane_inputs_.data);
    for (size_t lane = 1; lane < lanes_.size(); ++lane)
        for (const ql::Value * leaf : inputs_) {
            lanes_[lane].inputs.push_back(next);
            next += ql::padded(leaf->bytes(), device.caps.alignment);
        }
    return {};
}

const ql_plan::Memory * ql_plan::memory_on(const ql_device * device) const {
    const auto it = std::find_if(memory_.begin(), memory_.end(), [&](const Memory & m) { return m.device == device; });
    return it == memory_.end() ? nullptr : &*it;
}
