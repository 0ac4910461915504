#include "ggml/plan/spill.hpp"

#include <algorithm>

#include "ggml/core/os/os.hpp"
#include "ggml/plan/pages.hpp"

namespace ql {
namespace {

/// Phases between two uses from which on an absence pays: one to write, one to read, and one without the buffer.
constexpr size_t kShortestAbsence = 4;

struct BufferUse {
    size_t phase;
    bool changes = false;  // a node of the phase writes to the buffer
};

/// The phases that use each buffer, in order.
std::vector<std::vector<BufferUse>> uses_of_buffers(const PlanList & list, const std::vector<size_t> & begins) {
    std::vector<std::vector<BufferUse>> uses(list.buffers.size());
    for (size_t i = 0; i < list.nodes.size(); ++i) {
        const size_t phase = phase_of(begins, i);
        const auto use = [&](const Operand * t, bool changes) {
            const Value * root = t ? root_of(t) : nullptr;
            if (!root || root->is_leaf() || root->buffer == kNoBuffer) return;
            std::vector<BufferUse> & of = uses[root->buffer];
            if (of.empty() || of.back().phase != phase) of.push_back({phase});
            of.back().changes |= changes;
        };
        for (const Operand * s : list.nodes[i]->src) use(s, false);
        for (const Operand * t : list.nodes[i]->out) use(t, !is_view(*list.nodes[i]));
    }
    return uses;
}

class Spiller {
  public:
    Spiller(std::vector<Buffer> & buffers, const std::vector<size_t> & begins) : buffers_(buffers), begins_(begins) {}

    /// The longest time that no phase uses a buffer.
    void wait(size_t buffer, const std::vector<BufferUse> & uses) {
        Absence gap;
        for (size_t i = 1; i < uses.size(); ++i)
            if (uses[i].phase - uses[i - 1].phase > gap.in - gap.out)
                gap.out = uses[i - 1].phase, gap.in = uses[i].phase;
        if (gap.in - gap.out < kShortestAbsence) return;
        of_buffer_.push_back({spilled_.absences.size(), spilled_.absences.size()});
        add(gap, buffer, begins_[gap.out + 2], begins_[gap.in - 1]);
    }

    /// All time between two phases.
    void pass_on(size_t buffer, const std::vector<BufferUse> & uses) {
        if (uses.size() < 2 || buffers_[buffer].region != Region::arena) return;
        buffers_[buffer].region = Region::slots;
        buffers_[buffer].first = static_cast<int64_t>(begins_[uses[0].phase]);
        buffers_[buffer].last = static_cast<int64_t>(begins_[uses.back().phase + 1]) - 1;
        of_buffer_.push_back({spilled_.absences.size(), spilled_.absences.size() + uses.size() - 2});
        for (size_t i = 1; i < uses.size(); ++i) {
            Absence gap;
            gap.out = uses[i - 1].phase, gap.in = uses[i].phase, gap.changed = uses[i - 1].changes;
            buffer = add(gap, buffer, begins_[gap.out + 1], begins_[gap.in]);
        }
    }

    /// Gives each buffer its place in the file: one for all its absences.
    Spilled result() {
        std::vector<Buffer> places;
        for (const auto & [first, last] : of_buffer_) {
            const Absence &out = spilled_.absences[first], &in = spilled_.absences[last];
            places.push_back({nullptr, out.bytes, static_cast<int64_t>(out.out), static_cast<int64_t>(in.in)});
        }
        spilled_.bytes = place_buffers(places, nullptr, os::kPageBytes).of(Region::arena);
        for (size_t i = 0; i < places.size(); ++i)
            for (size_t a = of_buffer_[i].first; a <= of_buffer_[i].second; ++a)
                spilled_.absences[a].offset = places[i].offset;
        for (const Absence & a : spilled_.absences) {
            spilled_.read_bytes += a.bytes;
            if (a.changed) spilled_.written_bytes += a.bytes;
        }
        return std::move(spilled_);
    }

  private:
    /// gone, back   the first nodes that find the buffer away, and there again
    size_t add(Absence gap, size_t buffer, size_t gone, size_t back) {
        gap.buffer = buffer, gap.later = buffers_.size(), gap.bytes = buffers_[buffer].bytes;
        Buffer later = buffers_[buffer];
        later.first = static_cast<int64_t>(back);
        buffers_[buffer].last = static_cast<int64_t>(gone) - 1;
        buffers_[buffer].continued = gap.later;
        buffers_[buffer].continued_from = static_cast<int64_t>(begins_[gap.in]);
        buffers_.push_back(later);
        spilled_.absences.push_back(gap);
        return gap.later;
    }

    std::vector<Buffer> & buffers_;
    const std::vector<size_t> & begins_;
    Spilled spilled_;
    std::vector<std::pair<size_t, size_t>> of_buffer_;  // its first and its last absence
};

}  // namespace

Spilled spill_results(Spill what, const PlanList & list, std::vector<Buffer> & buffers,
                      const std::vector<size_t> & begins) {
    if (what == Spill::none) return {};
    const auto uses = uses_of_buffers(list, begins);
    Spiller spiller(buffers, begins);
    for (size_t b = 0; b < uses.size(); ++b) {
        if (buffers[b].region == Region::outputs || buffers[b].bytes < kSmallestPage) continue;
        what == Spill::waiting ? spiller.wait(b, uses[b]) : spiller.pass_on(b, uses[b]);
    }
    return spiller.result();
}

}  // namespace ql
