// Weights as pages: which of them stay in memory, when the others are read, and where they lie until they are dropped.
//
// The order of all uses is known, so nothing is decided while a plan runs. A weight is read while the phase before its
// first use computes, and dropped after its use unless the next phase needs it, too. Between forward and backward
// pass all pages are dropped but those of the last places: with a cyclic order of uses no choice reads less than to
// keep some weights for good and to pass the others through (Belady 1966).
//
// Parameters and states that are paged out (ql_graph_page_out) are pages of every plan, and dirty ones where nodes change
// them: written back while the phase after the last use computes, which holds their bytes for so long.
#pragma once
#include <map>
#include <set>

#include "ggml/plan/rows.hpp"

namespace ql {

/// A leaf's stay in memory, in phases: it is read during `read` and used from `first` to `last`.
struct PageStay {
    Tensor * leaf = nullptr;
    size_t read = 0, first = 0, last = 0;
    size_t offset = 0;   // in the pages' region: a weight lies in its page of memory as in its page of the file
    size_t room = 0;     // bytes of whole pages around it
    bool dirty = false;  // a node changes it: it is written back after `last`
};

/// The last phase in which its memory is its own: what it was changed to is written while the next one computes.
constexpr size_t held_until(const PageStay & stay) {
    return stay.last + (stay.dirty ? 1 : 0);
}

struct Paging {
    std::vector<size_t> begins;   // phases
    std::set<Tensor *> resident;  // weights that are always in memory
    std::vector<PageStay> stays;  // of the others and of leaves that are paged out, by phase of reading
    size_t resident_bytes = 0;
    std::vector<RowUse> rows;  // of the others, those that are read by row
    bool ahead = true;         // pages are read during the phase before the one that uses them
    size_t page_bytes = 0;     // of the region that the stays share
    size_t row_bytes = 0;      // the most that rows take
    uint64_t read_bytes = 0;   // of weights, in a run
    uint64_t leaf_read_bytes = 0, leaf_written_bytes = 0;  // of leaves that are paged out
    size_t bytes() const { return resident_bytes + page_bytes + row_bytes; }
};

/// Weights that are smaller are always resident, as are those that are mapped from no file.
inline constexpr size_t kSmallestPage = 16 * 1024;

/// What a list's weights, and its leaves that are paged out, are used for; from it come the pagings of any limit, for any number of lanes.
class PagePlanner {
  public:
    PagePlanner(const PlanList & list, size_t alignment);

    /// The paging that reads least with no more than `limit` bytes; with the smallest possible number if that is more. Pages
    /// are read a phase ahead; where there is no room for that, at the beginning of the phase that uses them.
    Paging within(size_t limit, int lanes) const;
    /// The smallest number of bytes of a paging.
    size_t least_bytes() const { return bytes_of(0, false); }
    /// The paging of another plan of the same graph: the same weights are resident, and pages lie where the other has them,
    /// if all stays are among the other's.
    Paging like(const Paging & other, int lanes) const {
        return counted(with(other.resident, other.ahead, &other), lanes);
    }
    /// The paging of a plan whose weights are used where they are: of leaves that are paged out alone.
    Paging leaves() const;
    const std::vector<size_t> & begins() const { return begins_; }

  private:
    struct Use {
        size_t phase;
        bool changes = false;  // a node of the phase changes the leaf
    };
    /// A leaf, and what uses it, in order.
    struct Uses {
        Tensor * leaf;
        size_t shift = 0;              // of its first byte in a page of its file
        bool can_page = true;          // of a weight: it is mapped from a file, and large enough
        std::vector<Use> phases = {};  // that need all of it
        std::vector<RowUse> rows = {};
        size_t room() const;
    };
    static Uses uses_of(Tensor * weight);
    static std::vector<Uses> uses_of(const PlanList & list, const std::vector<size_t> & begins);
    static std::vector<Uses> leaf_uses_of(const PlanList & list, const std::vector<size_t> & begins);
    static void add_stays(const Uses & uses, bool ahead, std::vector<PageStay> & stays);
    static size_t rank(const Uses & use);
    static void place(Paging & paging);
    static void sort(Paging & paging);
    static bool place_as(const Paging & like, Paging & paging);
    static Paging counted(Paging paging, int lanes);
    size_t bytes_of(size_t n, bool ahead) const;
    Paging with_first(size_t n, bool ahead) const;
    Paging with(const std::set<Tensor *> & resident, bool ahead, const Paging * like = nullptr) const;

    const size_t alignment_;
    const std::vector<size_t> begins_;
    std::vector<Uses> uses_;  // of weights, those that are read most often in a run first
    const std::vector<Uses> leaf_uses_;
    mutable std::map<std::pair<size_t, bool>, size_t> bytes_;  // of pagings: bytes_of
};

}  // namespace ql
