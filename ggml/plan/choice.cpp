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
    bool is_read_again = false;  // more than twice of all weights: groups of lanes read them one after the other
    size_t bytes() const { return fixed + choice.paging.bytes(); }
    auto order() const { return std::tuple(is_read_again, choice.seconds, read_bytes, choice.spilled.bytes, bytes()); }
};

/// What of a list is the same for all its candidates.
struct ListBytes {
    explicit ListBytes(const PlanList & list, size_t alignment) {
        for (const PlanNode * n : list.nodes) flops += flops_of(*n);
        for (const Value * leaf : list.leaves()) {
            const bool is_weight = leaf->kind == TensorKind::weight;
            if (is_weight) weights += leaf->bytes();
            if (!is_weight && !is_paged_out(*leaf->tensor)) leaves += leaf->bytes();
        }
        lane = input_bytes(list, alignment) + list.nodes.size() * kLaneStepBytes;
    }
    double flops = 0;   // of a lane
    size_t lane = 0;    // that each further lane has besides results
    size_t leaves = 0;  // in memory all the time
    uint64_t weights = 0;
};

/// Results as they lie in memory: of a lane, or of one of many, which have what they carry apart.
struct PlacedResults {
    Spill spills;
    Spilled spilled;
    Layout layout;
};

PlacedResults place_results(const PlanList & list, const std::vector<size_t> & begins, const Device & device,
                            Spill spills, bool many) {
    std::vector<Buffer> buffers = list.buffers;
    Spilled spilled = spill_results(spills, list, buffers, begins);
    if (many) carry(buffers, begins);
    return {spills, std::move(spilled), place_buffers(buffers, &device, device.caps.alignment)};
}

size_t fixed_bytes(const ListBytes & list, const Layout & layout, size_t lanes) {
    size_t bytes = list.leaves + list.lane * (lanes - 1);
    for (size_t r = 0; r < layout.size(); ++r) bytes += layout[r] * memories_of(static_cast<Region>(r), lanes);
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
    /// A list, of which candidates are made.
    struct Tried {
        const PlanList & list;
        ListBytes bytes;
        int recomputed;
        PagePlanner pages;
    };

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
        const Tried tried{list, ListBytes(list, input_.devices[0]->caps.alignment), recomputed,
                          PagePlanner(list, input_.devices[0]->caps.alignment)};
        for (const Spill spill : {Spill::none, Spill::waiting, Spill::lanes}) {
            if (spill != Spill::none && !options_.spill) continue;
            try_results(tried, spill, true);
            try_results(tried, spill, false);
        }
        return {};
    }

    /// many   lanes, of which there may be as many as are asked for, half of that, ...; else one
    void try_results(const Tried & tried, Spill spill, bool many) {
        // Few lanes whose results are spilled have memory for all of them anyway.
        const int fewest = !many ? 1 : spill == Spill::lanes ? static_cast<int>(kLaneSlots) + 1 : 2;
        if (many ? lanes_ < fewest : spill == Spill::lanes) return;
        const PlacedResults results = place_results(tried.list, tried.pages.begins(), *input_.devices[0], spill, many);
        if (spill != Spill::none && results.spilled.absences.empty()) return;  // that is a plan without
        for (int lanes = many ? lanes_ : 1; lanes >= fewest; lanes = (lanes + 1) / 2) {
            try_lanes(tried, lanes, results);
            if (lanes <= 2) break;
        }
    }

    void try_lanes(const Tried & tried, int lanes, const PlacedResults & results) {
        Candidate c;
        c.choice.spills = results.spills;
        c.choice.spilled = results.spilled;
        const uint64_t on_disk = c.choice.spilled.bytes * static_cast<uint64_t>(lanes);
        c.fixed = fixed_bytes(tried.bytes, results.layout, static_cast<size_t>(lanes));
        if (on_disk <= disk_) smallest_ = std::min(smallest_, c.fixed + tried.pages.least_bytes());
        if (c.fixed > options_.memory) return;
        c.choice.recomputed = tried.recomputed;
        c.choice.lanes = lanes;
        c.choice.by_phase = c.choice.paged = true;
        c.choice.paging = tried.pages.within(options_.memory - c.fixed, lanes);
        if (c.bytes() > options_.memory) return;
        if (on_disk > disk_) {
            least_disk_ = std::min(least_disk_, on_disk);
            return;
        }
        estimate(c, tried.bytes);
        if (!best_ || c.order() < best_->order()) best_ = std::make_unique<Candidate>(std::move(c));
    }

    void estimate(Candidate & c, const ListBytes & list) const {
        const auto all = static_cast<double>(lanes_);
        const auto runs = static_cast<uint64_t>((lanes_ + c.choice.lanes - 1) / c.choice.lanes);
        c.read_bytes = c.choice.paging.read_bytes * runs;
        c.is_read_again = c.read_bytes > 2 * list.weights;
        const double compute = list.flops * all / kFlopsPerSecond,
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
