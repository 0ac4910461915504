#include "ggml/plan/choice.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <tuple>

#include "ggml/graph/graph.hpp"
#include "ql/os.h"

namespace ql {
namespace {

// The choice compares estimates, which need no more than the order of magnitude of a laptop's or a desktop's speed.
constexpr double kFlopsPerSecond = 1e12, kReadBytesPerSecond = 2e9;
/// Disks wear by writing, so it is never counted as hidden, and at a rate at which a layer is rather computed again than
/// written with all its results; its input alone is written.
constexpr double kWrittenBytesPerSecond = 2.5e8;
/// Of the time of reads, the part that is not hidden behind computing.
constexpr double kExposedRead = 0.1;
constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
constexpr int kRecomputeSteps = 4;  // candidates between none and all

/// What a further lane holds of each node: its step, bound to the lane's addresses.
constexpr size_t kLaneStepBytes = 400;

/// A list with `recomputed` places, and what it needs besides weights.
struct Candidate {
    PlanChoice choice;
    size_t fixed = 0;
    uint64_t read_bytes = 0;  // of weights, for all lanes that were asked for
    bool is_read_again =
        false;  // more than twice of all weights: several groups of lanes read them one after the other
    size_t bytes() const { return fixed + choice.paging.bytes(); }
    auto order() const { return std::tuple(is_read_again, choice.seconds, read_bytes, choice.spilled.bytes, bytes()); }
};

double flops_of(const PlanList & list) {
    double flops = 0;
    for (const PlanNode * n : list.nodes) flops += flops_of(*n);
    return flops;
}

uint64_t weight_bytes(const PlanList & list) {
    uint64_t bytes = 0;
    for (const Value * leaf : list.leaves())
        if (leaf->kind == TensorKind::weight) bytes += leaf->bytes();
    return bytes;
}

size_t fixed_bytes(const PlanList & list, std::vector<Buffer> & buffers, const Device & device, size_t lanes) {
    const Layout layout = place_buffers(buffers, &device, device.caps.alignment);
    size_t bytes = (input_bytes(list, device.caps.alignment) + list.nodes.size() * kLaneStepBytes) * (lanes - 1);
    for (size_t r = 0; r < layout.size(); ++r) bytes += layout[r] * memories_of(static_cast<Region>(r), lanes);
    for (const Value * leaf : list.leaves())
        if (leaf->kind != TensorKind::weight && !is_paged_out(*leaf->tensor)) bytes += leaf->bytes();
    return bytes;
}

bool pages_leaves(const PlanList & list) {
    const std::vector<const Value *> leaves = list.leaves();
    return std::any_of(leaves.begin(), leaves.end(), [](const Value * v) { return is_paged_out(*v->tensor); });
}

class Chooser {
  public:
    Chooser(const PassInput & input, const ql_plan_options & options)
        : input_(input), options_(options), lanes_(std::max(options.lanes, 1)) {}

    /// The best of all candidates.
    Result<PlanChoice> choose() {
        QL_TRY(try_all());
        if (best_) return best_->choice;
        if (least_disk_ != kUnlimited)
            return error(QL_NO_SPACE, "%s: at least %llu bytes are to be spilled to it, and %llu are free",
                         options_.spill, static_cast<unsigned long long>(least_disk_),
                         static_cast<unsigned long long>(disk_));
        return error(QL_NO_MEMORY, "plan: %llu bytes are given, and at least %llu are needed",
                     static_cast<unsigned long long>(options_.memory), static_cast<unsigned long long>(smallest_));
    }
    Result<size_t> least() {
        QL_TRY(try_all());
        return smallest_;
    }

  private:
    Status try_all() {
        if (options_.spill) QL_TRY(ql_os_free_space(options_.spill, &disk_));
        QL_TRY(try_recomputing(options_.recomputed));
        const int places = has_backward_ ? last_place_ : 0;
        for (int i = 1; i <= kRecomputeSteps; ++i) {
            const int recomputed = std::max(places * i / kRecomputeSteps, options_.recomputed);
            if (recomputed > options_.recomputed) QL_TRY(try_recomputing(recomputed));
        }
        return {};
    }
    Status try_recomputing(int recomputed) {
        PlanList list;
        PassInput input = input_;
        input.recomputed = recomputed;
        QL_TRY(apply_passes(list, input, false));
        for (const PlanNode * n : list.nodes) {
            last_place_ = std::max(last_place_, n->place);
            has_backward_ |= n->is_backward;
        }
        const PagePlanner pages(list, input_.devices[0]->caps.alignment);
        for (int lanes = lanes_;; lanes = (lanes + 1) / 2) {
            for (const Spill spill : {Spill::none, Spill::waiting, Spill::lanes})
                if (spill == Spill::none || options_.spill) try_lanes(list, pages, recomputed, lanes, spill);
            if (lanes == 1) return {};
        }
    }

    void try_lanes(const PlanList & list, const PagePlanner & pages, int recomputed, int lanes, Spill spill) {
        if (spill == Spill::lanes && static_cast<size_t>(lanes) <= kLaneSlots) return;  // memory for all of them anyway
        const Device & device = *input_.devices[0];
        Candidate c;
        std::vector<Buffer> buffers = list.buffers;
        c.choice.spills = spill;
        c.choice.spilled = spill_results(spill, list, buffers, pages.begins());
        if (spill != Spill::none && c.choice.spilled.absences.empty()) return;  // that is a plan without
        const uint64_t on_disk = c.choice.spilled.bytes * static_cast<uint64_t>(lanes);
        if (lanes > 1) carry(buffers, pages.begins());
        c.fixed = fixed_bytes(list, buffers, device, static_cast<size_t>(lanes));
        if (on_disk <= disk_) smallest_ = std::min(smallest_, c.fixed + pages.least_bytes(lanes));
        if (c.fixed > options_.memory) return;
        c.choice.recomputed = recomputed;
        c.choice.lanes = lanes;
        c.choice.by_phase = c.choice.paged = true;
        c.choice.paging = pages.within(options_.memory - c.fixed, lanes);
        if (c.bytes() > options_.memory) return;
        if (on_disk > disk_) {
            least_disk_ = std::min(least_disk_, on_disk);
            return;
        }
        estimate(c, flops_of(list), weight_bytes(list));
        if (!best_ || c.order() < best_->order()) best_ = std::make_unique<Candidate>(std::move(c));
    }

    /// flops   of one lane
    void estimate(Candidate & c, double flops, uint64_t weight_bytes) const {
        const auto all = static_cast<double>(lanes_);
        const auto runs = static_cast<uint64_t>((lanes_ + c.choice.lanes - 1) / c.choice.lanes);
        c.read_bytes = c.choice.paging.read_bytes * runs;
        c.is_read_again = c.read_bytes > 2 * weight_bytes;
        const double compute = flops * all / kFlopsPerSecond,
                     read = static_cast<double>(c.read_bytes) + static_cast<double>(c.choice.spilled.read_bytes) * all,
                     written = static_cast<double>(c.choice.spilled.written_bytes) * all,
                     reading = read / kReadBytesPerSecond;
        c.choice.seconds =
            c.choice.paging.ahead ? std::max(compute, reading) + kExposedRead * reading : compute + reading;
        c.choice.seconds += written / kWrittenBytesPerSecond;
    }

    const PassInput & input_;
    const ql_plan_options & options_;
    const int lanes_;
    int last_place_ = 0;
    bool has_backward_ = false;
    size_t smallest_ = std::numeric_limits<size_t>::max();
    uint64_t disk_ = 0;                 // free, in options.spill
    uint64_t least_disk_ = kUnlimited;  // of candidates for which there is too little
    std::unique_ptr<Candidate> best_;
};

Status check_devices(const PassInput & input, bool is_needed) {
    if (!is_needed || (input.devices.size() == 1 && input.devices[0]->caps.host_memory)) return {};
    return error(QL_UNSUPPORTED,
                 "plan: a budget, several lanes and states that are paged out need one device that computes in the "
                 "host's memory; %s",
                 input.devices.size() > 1 ? "there are several devices" : input.devices[0]->name.c_str());
}

bool needs_phases(const ql_plan_options & options) {
    return options.memory != 0 || options.lanes > 1;
}

}  // namespace

void carry(std::span<Buffer> buffers, const std::vector<size_t> & begins) {
    for (Buffer & b : buffers)
        if (b.region == Region::arena &&
            phase_of(begins, static_cast<size_t>(b.first)) != phase_of(begins, static_cast<size_t>(b.last)))
            b.region = Region::carried;
}

size_t input_bytes(const PlanList & list, size_t alignment) {
    size_t bytes = 0;
    for (const Value * leaf : list.leaves())
        if (leaf->kind == TensorKind::input) bytes += padded(leaf->bytes(), alignment);
    return bytes;
}

Result<size_t> least_memory(const PassInput & input, const ql_plan_options & options) {
    QL_TRY(check_devices(input, needs_phases(options)));
    return Chooser(input, options).least();
}

Result<PlanChoice> make_list(PlanList & list, const PassInput & input, const ql_plan_options & options,
                             const PlanChoice * over, bool checked) {
    QL_TRY(check_devices(input, needs_phases(options)));
    PlanChoice choice;
    choice.recomputed = options.recomputed;
    choice.lanes = std::max(options.lanes, 1);
    if (options.memory) {
        QL_ASSIGN(choice, Chooser(input, options).choose());
    }
    PassInput chosen = input;
    chosen.recomputed = choice.recomputed;
    QL_TRY(apply_passes(list, chosen, checked));
    if (over && over->paged && !choice.paged) {
        choice.paged = true;
        choice.paging = PagePlanner(list, input.devices[0]->caps.alignment).like(over->paging, choice.lanes);
    }
    const bool with_leaves = pages_leaves(list);
    QL_TRY(check_devices(input, with_leaves));
    if (with_leaves && !choice.paged) choice.paging = PagePlanner(list, input.devices[0]->caps.alignment).leaves();
    choice.by_phase = choice.lanes > 1 || choice.paged || with_leaves;
    choice.paging.begins = choice.by_phase ? phase_begins(list) : std::vector<size_t>{0, list.nodes.size()};
    choice.spilled = spill_results(choice.spills, list, list.buffers, choice.paging.begins);
    if (choice.lanes > 1) carry(list.buffers, choice.paging.begins);
    return choice;
}

}  // namespace ql
