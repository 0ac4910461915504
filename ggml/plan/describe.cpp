// What a plan tells of itself: its memory by kind, what is in use while a node runs, what it reads and writes.
#include <algorithm>

#include "ggml/plan/plan.hpp"

void ql_plan::set_profiling(bool on) {
    profile_ = on;
    for (Lane & lane : lanes_)
        for (ql::Step & s : lane.steps) s.seconds = 0, s.runs = 0;
}

void ql_plan::add_memory(const ql_device * device, std::set<std::pair<const ql_tensor *, const ql_device *>> & counted,
                         ql_memory_info & info) const {
    for (const ql::Value * leaf : list_.leaves()) {
        const bool is_page =
            ql::is_paged_out(*leaf->tensor) ||
            (choice_.paged && leaf->kind == ql::TensorKind::weight && !choice_.paging.resident.count(leaf->tensor));
        if (is_page || (device && leaf->device != device) || !counted.insert({leaf->tensor, leaf->device}).second)
            continue;
        uint64_t & kind = leaf->kind == ql::TensorKind::weight  ? info.weights
                          : leaf->kind == ql::TensorKind::param ? info.params
                          : leaf->kind == ql::TensorKind::state ? info.states
                                                                : info.inputs;
        kind += leaf->bytes();
        info.total += leaf->bytes();
    }
    info.inputs += lane_inputs_.bytes;
    info.total += lane_inputs_.bytes;
    for (const Memory & m : memory_) {
        if (device && m.device != device) continue;
        uint64_t results = 0;
        for (const ql::Region region : {ql::Region::arena, ql::Region::outputs, ql::Region::carried, ql::Region::slots})
            results += m.owned(region);
        info.results += results;
        info.staging += m.owned(ql::Region::staging);
        info.pages += m.owned(ql::Region::pages);
        info.total += results + m.owned(ql::Region::staging) + m.owned(ql::Region::pages);
    }
    for (const ql::PlanNode * n : list_.nodes)
        if (n->scratch != ql::kNoBuffer && (!device || n->device == device))
            info.scratch = std::max<uint64_t>(info.scratch, list_.buffers[n->scratch].bytes);
}

ql_plan::Live ql_plan::live(size_t node) const {
    Live live;
    const auto at = static_cast<int64_t>(node);
    const size_t scratch = list_.nodes[node]->scratch;
    for (size_t i = 0; i < list_.buffers.size(); ++i) {
        const ql::Buffer & b = list_.buffers[i];
        if (at < b.first || at > b.last) continue;
        uint64_t & kind = i == scratch ? live.scratch : live.results;
        kind += b.bytes * ql::memories_of(b.region, lanes_.size());
    }
    const size_t phase = ql::phase_of(choice_.paging.begins, node);
    for (const ql::PageStay & stay : choice_.paging.stays)
        if (phase >= stay.read && phase <= ql::held_until(stay)) live.pages += stay.leaf->bytes();
    return live;
}

ql_plan_info ql_plan::describe() const {
    ql_plan_info info{};
    info.size = sizeof(info);
    info.n_nodes = static_cast<int64_t>(list_.nodes.size());
    for (const Memory & m : memory_) info.shared_bytes += m.shared();
    std::set<std::pair<const ql_tensor *, const ql_device *>> counted;
    ql_memory_info memory{};
    add_memory(nullptr, counted, memory);
    info.arena_bytes = memory.results + memory.staging + memory.pages + row_bytes() + info.shared_bytes;
    info.leaf_bytes = memory.params + memory.states + memory.inputs;
    info.weight_bytes = memory.weights;
    for (const ql::PlanNode * n : list_.nodes) info.flops += ql::flops_of(*n);
    info.peak_bytes = info.arena_bytes + info.leaf_bytes + info.weight_bytes;
    info.lanes = choice_.lanes;
    info.recomputed = choice_.recomputed;
    info.page_bytes = choice_.paging.page_bytes + choice_.paging.row_bytes;
    info.read_bytes = choice_.paging.read_bytes;
    info.spill_bytes = choice_.spilled.bytes * static_cast<uint64_t>(choice_.lanes);
    info.spill_read_bytes = choice_.spilled.read_bytes * static_cast<uint64_t>(choice_.lanes);
    info.spill_written_bytes = choice_.spilled.written_bytes * static_cast<uint64_t>(choice_.lanes);
    for (const ql::PageQueue * queue : {queue_.get(), lane_queue_.get()}) {
        if (!queue) continue;
        info.bytes_read += queue->bytes_read();
        info.bytes_written += queue->bytes_written();
        info.seconds_waited += queue->seconds_waited();
    }
    info.leaf_read_bytes = choice_.paging.leaf_read_bytes;
    info.leaf_written_bytes = choice_.paging.leaf_written_bytes;
    return info;
}
