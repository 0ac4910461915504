// Results that are on disk between two phases that use them.
//
// Those that wait: made by the forward pass and read by the backward pass, the inputs of layers that are computed again,
// mostly. They are written while the next phase computes, and read a phase ahead.
//
// Those of lanes: whatever a lane carries from one phase to another. While one lane computes, the next one's are read and the
// last one's written, so three lanes' memory does for any number of lanes, and all of them pass a layer while it is there.
#pragma once
#include "ggml/plan/phases.hpp"

namespace ql {

enum class Spill { none, waiting, lanes };

/// A buffer's absence, in phases: written after `out`, read during the phase before `in`; where lanes are spilled just before
/// the lane's turn in `in`.
struct Absence {
    size_t buffer = 0, later = 0;  // before and after, among the list's buffers
    size_t out = 0, in = 0;
    size_t bytes = 0;
    uint64_t offset = 0;  // in the spill of a lane
    bool changed = true;  // in `out`; else the disk has it as it is
};

/// What one lane has on disk.
struct Spilled {
    std::vector<Absence> absences;
    uint64_t bytes = 0;                          // of its part of the file
    uint64_t read_bytes = 0, written_bytes = 0;  // by a run
};

/// Sends buffers to disk for a while: shortens their lives, and appends a buffer for what comes after each absence.
Spilled spill_results(Spill what, const PlanList & list, std::vector<Buffer> & buffers,
                      const std::vector<size_t> & begins);

}  // namespace ql
