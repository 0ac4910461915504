// Weights as pages: which of them stay in memory, when the others are read, and where they lie until they are dropped.
//
// The order of all uses is known, so nothing is decided while a plan runs. A weight is read while the phase before its
// first use computes, and dropped after its use unless the next phase needs it, too. Between forward and backward
// pass all pages are dropped but those of the last places: with a cyclic order of uses no choice reads less than to
// keep some weights for good and to pass the others through (Belady 1966).
#pragma once
#include <set>

#include "ggml/plan/phases.hpp"

namespace ql {

/// A weight's stay in memory, in phases: it is read during `read` and used from `first` to `last`.
struct PageStay {
    Tensor * weight = nullptr;
    size_t read = 0, first = 0, last = 0;
    size_t offset = 0;  // in the pages' region
};

struct Paging {
    std::vector<size_t> begins;   // phases
    std::set<Tensor *> resident;  // weights that are always in memory
    std::vector<PageStay> stays;  // of the others, by phase of reading
    size_t resident_bytes = 0;
    bool ahead = true;        // pages are read during the phase before the one that uses them
    size_t page_bytes = 0;    // of the region that the stays share
    uint64_t read_bytes = 0;  // in a run
    size_t bytes() const { return resident_bytes + page_bytes; }
};

/// Weights that are smaller are always resident.
inline constexpr size_t kSmallestPage = 16 * 1024;

/// The paging that reads least with no more than `limit` bytes; with the smallest possible number if that is more. Pages
/// are read a phase ahead; where there is no room for that, at the beginning of the phase that uses them.
Paging plan_pages(const PlanList & list, size_t limit, size_t alignment);
/// The paging of another plan of the same graph: the same weights are resident.
Paging plan_pages(const PlanList & list, const Paging & other, size_t alignment);

}  // namespace ql
