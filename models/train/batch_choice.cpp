// --batch auto: how many of a step's sequences go through the model at once. The step itself stays as it is: its sequences
// are shared out to fewer, larger micro-batches. A larger micro-batch decodes weights less often for the same tokens, and
// takes more memory for activations; it is taken as long as it needs neither more work nor more reading for that.
//
// What a sum of gradients rounds to depends on the choice, so a run that goes on takes that of its checkpoint.
#include <cmath>

#include "models/train/fingerprint.hpp"
#include "models/train/trainer.hpp"

namespace ql {
namespace {

/// Tokens over which the decoding of a weight is spread so far that more of them hardly save time.
constexpr int64_t kEnoughTokens = 2048;

/// Without a budget: the part of the memory at hand that a run takes.
constexpr double kPartOfFree = 0.9;

/// What a step costs in micro-batches of some size.
struct StepCost {
    int recomputed;
    uint64_t read, memory;

    StepCost(const TrainStep & step, int64_t n_batches) {
        const ql_plan_info micro = step.micro();
        const auto runs = static_cast<uint64_t>((n_batches + micro.lanes - 1) / micro.lanes);
        recomputed = micro.recomputed;
        read = micro.read_bytes * runs;
        memory = step.memory().total + step.program_bytes();
    }
    bool is_more_than(const StepCost & other) const {
        return recomputed > other.recomputed || read > other.read + other.read / 100;
    }
};

std::string size_text(uint64_t bytes) {
    return format("%.0f MiB", std::ceil(static_cast<double>(bytes) / (1 << 20)));
}

}  // namespace

int64_t Trainer::batch_of_checkpoint() const {
    const int64_t batch = whole_in(point_.checkpoint.state.fingerprint, "batch");
    return batch > 0 && sequences_ % batch == 0 ? batch : 0;
}

void Trainer::take_batch(int64_t batch, const std::string & why) {
    options_.batch = batch;
    options_.grad_accum = sequences_ / batch;
    log(format("batch    auto: %lld of the %lld sequences of a step at once: %s", static_cast<long long>(batch),
               static_cast<long long>(sequences_), why.c_str()));
}

Status Trainer::choose_batch(const MakeStep & make) {
    if (const int64_t before = batch_of_checkpoint(); before > 0)
        return take_batch(before, "as before, in the checkpoint"), Status();
    const uint64_t free = ql_os_available_memory();
    const uint64_t limit = options_.memory ? options_.memory
                           : free ? static_cast<uint64_t>(kPartOfFree * static_cast<double>(free)) + ql_os_rss()
                                  : UINT64_MAX;
    const auto cost_of = [&](int64_t batch) -> Result<StepCost> {
        QL_ASSIGN(const auto step, make(batch, options_.memory));
        return StepCost(*step, sequences_ / batch);
    };
    QL_ASSIGN(const StepCost one, cost_of(1));
    int64_t chosen = 1;
    for (int64_t batch = 2; batch <= sequences_; ++batch) {
        if (sequences_ % batch != 0) continue;
        const std::string more = format("%lld ", static_cast<long long>(batch));
        if (batch * ctx_ > std::max(kEnoughTokens, ctx_))
            return take_batch(chosen, more + format("are no faster, as %lld tokens keep the processor busy",
                                                    static_cast<long long>(chosen * ctx_))),
                   Status();
        const auto cost = cost_of(batch);
        if (!cost.ok() && cost.status().code() != QL_NO_MEMORY) return cost.status();
        if (!cost.ok()) return take_batch(chosen, more + "do not fit into " + size_text(limit)), Status();
        if (cost->memory > limit)
            return take_batch(chosen, more + "would take " + size_text(cost->memory) + ", and " + size_text(limit) +
                                          " are at hand"),
                   Status();
        if (cost->is_more_than(one))
            return take_batch(chosen, more + "fit into " + size_text(limit) + " only with more computed or read again"),
                   Status();
        chosen = batch;
    }
    return take_batch(chosen, "all of them"), Status();
}

}  // namespace ql
