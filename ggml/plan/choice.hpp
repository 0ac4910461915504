// How a plan keeps within a budget: what is computed again, which weights are pages, how many lanes run at once.
#pragma once
#include "ggml/plan/pages.hpp"
#include "ggml/plan/pass.hpp"
#include "ggml/plan/spill.hpp"
#include "ql/plan.h"

namespace ql {

/// What a plan decides before it places a byte. None of it changes a bit of the results.
struct PlanChoice {
    int recomputed = 0;
    int lanes = 1;
    bool by_phase = false;  // the plan runs phase by phase
    bool paged = false;     // weights are pages, or copies that were read from their file
    Spill spills = Spill::none;
    Spilled spilled;     // of each lane
    Paging paging;       // phases; of a paged plan also its pages
    double seconds = 0;  // estimate of a run over all lanes that were asked for; 0: nothing was estimated
};

/// Applies all passes to the empty list. With options.memory it finds the choice that takes least time within it: among
/// those that fit, the one with the smallest estimate; among equals, that which reads least. Before all comes one that
/// reads no more than twice of all weights, as a pass forward and back of all lanes side by side does.
/// errors   QL_NO_MEMORY names the smallest budget that would do; QL_NO_SPACE: with what is free in options.spill there is none
Result<PlanChoice> make_list(PlanList & list, const PassInput & input, const ql_plan_options & options,
                             const PlanChoice * over, bool checked);

/// The smallest options.memory with which make_list finds a choice.
Result<size_t> least_memory(const PassInput & input, const ql_plan_options & options);

/// Gives results that live longer than a phase memory by lane.
void carry(std::span<Buffer> buffers, const std::vector<size_t> & begins);

/// Bytes of leaves that one lane has of its own.
size_t input_bytes(const PlanList & list, size_t alignment);

}  // namespace ql
