// Plans that keep a whole process within a budget of memory: they get what the rest of it leaves.
#pragma once
#include <functional>

#include "models/model/model.hpp"

namespace ql {

/// Code, tables of libm and stacks that the first run and the first file touch after planning: 0.6 to 1.05 MB were measured,
/// for every instruction set and number of threads, and 1.7 MB more where threads of their own read weights.
inline constexpr uint64_t kFirstRunBytes = 2560 * 1024;

/// The graph's nodes as a plan holds them: its own nodes and values, and their steps. Those of further lanes are the
/// plan's to count.
inline constexpr uint64_t kNodeBytes = 1600;

/// An allowance for what inference keeps outside its plans, for each token of a pass: 4.2 KB were measured once.
inline constexpr uint64_t kTokenBytes = 4608;

/// How often plans are made anew because what is measured differs from what was expected, and with how much less each time.
inline constexpr int kAttempts = 12;
inline constexpr uint64_t kAttemptBytes = 1024 * 1024;

/// What the process holds now, apart from the model's weights and the files that they are mapped from.
uint64_t bytes_beside_weights(const Model & model);

/// Plans that are made within a budget, and made anew with less until they are.
struct BudgetedPlans {
    /// What the process takes besides the plan that has the weights: an estimate.
    uint64_t others;
    /// The fewest bytes with which that plan can be made.
    std::function<Result<uint64_t>()> least;
    /// Makes all plans, those before are dropped. `bytes` are for that plan.
    std::function<Status(uint64_t bytes)> make;
    /// What the process takes with the plans that were made last.
    std::function<uint64_t()> needed;
    std::string advice;  // what would make them smaller: "a smaller --ctx needs less"
};

/// Makes plans with which the process keeps within `memory` bytes. The first ones get what the others leave of them;
/// what these really take is known when they are there.
/// errors   QL_NO_MEMORY: the message names the smallest budget
Status plan_within(uint64_t memory, const BudgetedPlans & plans);

}  // namespace ql
