// Weights as pages: which of them stay in memory, when the others are read, and where they lie until they are dropped.
//
// The order of all uses is known, so nothing is decided while a plan runs. A weight is read while the phase before its
// first use computes, and dropped after its use unless the next phase needs it, too. Between forward and backward
// pass all pages are dropped but those of the last places: with a cyclic order of uses no choice reads less than to
// keep some weights for good and to pass the others through (Belady 1966).
#pragma once
#include <set>

#include "ggml/plan/rows.hpp"

namespace ql {

/// A weight's stay in memory, in phases: it is read during `read` and used from `first` to `last`.
struct PageStay {
    Tensor * weight = nullptr;
    size_t read = 0, first = 0, last = 0;
    size_t offset = 0;  // in the pages' region: it lies in its page of memory as in its page of the file
    size_t room = 0;    // bytes of whole pages around it
};

struct Paging {
    std::vector<size_t> begins;   // phases
    std::set<Tensor *> resident;  // weights that are always in memory
    std::vector<PageStay> stays;  // of the others, by phase of reading
    size_t resident_bytes = 0;
    std::vector<RowUse> rows;  // of the others, those that are read by row
    bool ahead = true;         // pages are read during the phase before the one that uses them
    size_t page_bytes = 0;     // of the region that the stays share
    size_t row_bytes = 0;      // the most that rows take, of all lanes
    uint64_t read_bytes = 0;   // in a run
    size_t bytes() const { return resident_bytes + page_bytes + row_bytes; }
};

/// Weights that are smaller are always resident, as are those that are mapped from no file.
inline constexpr size_t kSmallestPage = 16 * 1024;

/// What a list's weights are used for; from it come the pagings of any limit, for any number of lanes.
class PagePlanner {
  public:
    PagePlanner(const PlanList & list, size_t alignment);

    /// The paging that reads least with no more than `limit` bytes; with the smallest possible number if that is more. Pages
    /// are read a phase ahead; where there is no room for that, at the beginning of the phase that uses them.
    Paging within(size_t limit, int lanes) const;
    /// The smallest number of bytes of a paging.
    size_t least_bytes(int lanes) const { return counted(least_, lanes).bytes(); }
    /// The paging of another plan of the same graph: the same weights are resident, and pages lie where the other has them,
    /// if all stays are among the other's.
    Paging like(const Paging & other, int lanes) const {
        return counted(with(other.resident, other.ahead, &other), lanes);
    }
    const std::vector<size_t> & begins() const { return begins_; }

  private:
    /// A weight, and what uses it, in order.
    struct Uses {
        Tensor * weight;
        size_t shift = 0;                 // of its first byte in a page of its file
        bool can_page = true;             // it is mapped from a file, and large enough
        std::vector<size_t> phases = {};  // that need all of it
        std::vector<RowUse> rows = {};
        size_t room() const;
    };
    static Uses uses_of(Tensor * weight);
    static std::vector<Uses> uses_of(const PlanList & list, const std::vector<size_t> & begins);
    static void add_stays(const Uses & use, bool ahead, std::vector<PageStay> & stays);
    static size_t rank(const Uses & use);
    static void place(Paging & paging);
    static bool place_as(const Paging & like, Paging & paging);
    static Paging counted(Paging paging, int lanes);
    Paging with_first(size_t n, bool ahead) const;
    Paging with(const std::set<Tensor *> & resident, bool ahead, const Paging * like = nullptr) const;

    const size_t alignment_;
    const std::vector<size_t> begins_;
    std::vector<Uses> uses_;  // those that are read most often in a run first
    Paging ahead_, least_;    // with the fewest resident weights: a phase ahead, and not
};

}  // namespace ql
