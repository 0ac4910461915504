// Results that are on disk between the forward pass, which makes them, and the backward pass, which reads them: the inputs
// of layers that are computed again, mostly. They are written while the next phase computes, and read a phase ahead.
#pragma once
#include "ggml/plan/phases.hpp"

namespace ql {

/// A buffer's absence, in phases: written after `out`, read during the phase before `in`.
struct Absence {
    size_t buffer = 0, later = 0;  // before and after, among the list's buffers
    size_t out = 0, in = 0;
    size_t bytes = 0;
    uint64_t offset = 0;  // in the spill of a lane
};

/// Sends buffers that no phase uses for a while to disk: shortens their lives, and appends a buffer for what comes
/// after. Their bytes in the spill of one lane are returned.
uint64_t spill_results(const PlanList & list, std::vector<Buffer> & buffers, const std::vector<size_t> & begins,
                       std::vector<Absence> & absences);

}  // namespace ql
