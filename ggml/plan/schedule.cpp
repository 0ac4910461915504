#include "ggml/plan/schedule.hpp"

#include <algorithm>

#include "ggml/plan/order.hpp"

namespace ql {
namespace {

std::vector<MemoryAccess> accesses_of(const Step & step, size_t scratch) {
    std::vector<MemoryAccess> all;
    if (is_view(*step.node)) return all;
    const auto add = [&](const void * data, size_t bytes, bool writes) {
        all.push_back({static_cast<const std::byte *>(data), bytes, writes});
    };
    for (size_t i = 0; i < step.src.size(); ++i)
        if (step.src[i]) add(step.src[i], step.node->src[i]->bytes(), false);
    for (size_t i = 0; i < step.out.size(); ++i) add(step.out[i], step.node->out[i]->bytes(), true);
    if (step.scratch) add(step.scratch, scratch, true);
    return all;
}

size_t scratch_bytes(const PlanList & list, const PlanNode & n) {
    return n.scratch == kNoBuffer ? 0 : list.buffers[n.scratch].bytes;
}

using Nodes = std::span<PlanNode * const>;

/// The devices that run something, in the order of their first node.
std::vector<Device *> devices_of(Nodes nodes) {
    std::vector<Device *> devices;
    for (const PlanNode * n : nodes)
        if (std::find(devices.begin(), devices.end(), n->device) == devices.end()) devices.push_back(n->device);
    return devices;
}

void choose_queues(Nodes nodes, std::span<Step> steps) {
    for (size_t i = 0; i < steps.size(); ++i) {
        const PlanNode & n = *nodes[i];
        steps[i].queue = is_copy(n) && n.device->caps.copy_queue ? Queue::copy : Queue::compute;
    }
}

/// For each step the earlier ones, on other queues, that it waits for.
std::vector<std::vector<size_t>> waits_of(const PlanList & list, Nodes nodes, std::span<const Step> steps,
                                          std::span<Device * const> devices) {
    Order order(devices.size() * std::size(kQueues));
    std::vector<std::vector<size_t>> waits;
    for (size_t i = 0; i < steps.size(); ++i) {
        const PlanNode & n = *nodes[i];
        const auto device = static_cast<size_t>(std::find(devices.begin(), devices.end(), n.device) - devices.begin());
        waits.push_back(order.add(device * std::size(kQueues) + static_cast<size_t>(steps[i].queue),
                                  accesses_of(steps[i], scratch_bytes(list, n))));
    }
    return waits;
}

bool uses_one_queue(std::span<Device * const> devices, std::span<const Step> steps) {
    return devices.size() < 2 &&
           std::none_of(steps.begin(), steps.end(), [](const Step & s) { return s.queue == Queue::copy; });
}

}  // namespace

Result<Schedule> Schedule::make(const PlanList & list, std::span<Step> steps, size_t from) {
    const Nodes nodes = Nodes(list.nodes).subspan(from, steps.size());
    Schedule schedule;
    schedule.devices_ = devices_of(nodes);
    choose_queues(nodes, steps);
    std::vector<std::vector<size_t>> waits(steps.size());
    if (!uses_one_queue(schedule.devices_, steps)) waits = waits_of(list, nodes, steps, schedule.devices_);

    std::vector<size_t> stage_of;  // each step
    for (size_t first = 0, end; first < steps.size(); first = end) {
        Stage & stage = schedule.stages_.emplace_back(Stage{nodes[first]->device, {}, {}, {}});
        for (end = first; end < steps.size() && nodes[end]->device == stage.device; ++end) {
            stage_of.push_back(schedule.stages_.size() - 1);
            for (const size_t earlier : waits[end])  // a stage waits for those before it on its device anyway
                if (earlier >= first)
                    steps[end].after.push_back(earlier - first);
                else if (nodes[earlier]->device != stage.device)
                    stage.after.insert(stage_of[earlier]);
        }
        QL_ASSIGN(stage.executable, stage.device->impl->compile(steps.subspan(first, end - first)));
    }
    return schedule;
}

Status Schedule::run(bool profile) {
    Status status;
    for (Stage & stage : stages_)
        if (status = start(stage, profile); !status.ok()) break;
    Status end = finish();
    return status.ok() ? end : status;
}

Status Schedule::start(Stage & stage, bool profile) {
    for (const size_t earlier : stage.after) QL_TRY(wait_for(stages_[earlier], *stage.device));
    QL_TRY(stage.device->impl->run(*stage.executable, profile));
    stage.done = stage.device->impl->now(Queue::compute);
    return {};
}

/// Devices of one backend wait for each other by themselves; for the others the host waits.
Status Schedule::wait_for(const Stage & earlier, Device & device) {
    return earlier.device->backend == device.backend ? device.impl->hold(Queue::compute, earlier.done)
                                                     : earlier.device->impl->finish(earlier.done);
}

Status Schedule::finish() {
    Status first;
    for (Device * d : devices_)
        for (const Queue queue : kQueues)
            if (Status s = d->impl->finish(d->impl->now(queue)); first.ok()) first = std::move(s);
    return first;
}

}  // namespace ql
