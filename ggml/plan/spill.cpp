#include "ggml/plan/spill.hpp"

#include <algorithm>

#include "ggml/core/os/os.hpp"
#include "ggml/plan/pages.hpp"

namespace ql {
namespace {

/// Phases between two uses from which on an absence pays: one to write, one to read, and one without the buffer.
constexpr size_t kShortestAbsence = 4;

/// The phases that use each buffer, in order.
std::vector<std::vector<size_t>> phases_of_buffers(const PlanList & list, const std::vector<size_t> & begins) {
    std::vector<std::vector<size_t>> uses(list.buffers.size());
    for (size_t i = 0; i < list.nodes.size(); ++i) {
        const size_t phase = phase_of(begins, i);
        const auto use = [&](const Operand * t) {
            const Value * root = t ? root_of(t) : nullptr;
            if (!root || root->is_leaf() || root->buffer == kNoBuffer) return;
            std::vector<size_t> & phases = uses[root->buffer];
            if (phases.empty() || phases.back() != phase) phases.push_back(phase);
        };
        for (const Operand * s : list.nodes[i]->src) use(s);
        for (const Operand * t : list.nodes[i]->out) use(t);
    }
    return uses;
}

}  // namespace

uint64_t spill_results(const PlanList & list, std::vector<Buffer> & buffers, const std::vector<size_t> & begins,
                       std::vector<Absence> & absences) {
    const auto uses = phases_of_buffers(list, begins);
    uint64_t offset = 0;
    for (size_t b = 0; b < uses.size(); ++b) {
        if (buffers[b].region == Region::outputs || buffers[b].bytes < kSmallestPage) continue;
        Absence gap;
        for (size_t i = 1; i < uses[b].size(); ++i)
            if (uses[b][i] - uses[b][i - 1] > gap.in - gap.out) gap.out = uses[b][i - 1], gap.in = uses[b][i];
        if (gap.in - gap.out < kShortestAbsence) continue;
        gap.buffer = b, gap.later = buffers.size(), gap.bytes = buffers[b].bytes, gap.offset = offset;
        offset += padded(gap.bytes, os::kPageBytes);
        Buffer later = buffers[b];
        later.first = static_cast<int64_t>(begins[gap.in - 1]);
        buffers[b].last = static_cast<int64_t>(begins[gap.out + 2]) - 1;
        buffers[b].continued = gap.later;
        buffers[b].continued_from = static_cast<int64_t>(begins[gap.in]);
        buffers.push_back(later);
        absences.push_back(gap);
    }
    return offset;
}

}  // namespace ql
