#include "ggml/plan/phases.hpp"

#include <algorithm>
#include <set>

#include "ggml/graph/graph.hpp"

namespace ql {
namespace {

/// Leaves that are paged out, of which one phase of an optimizer's step needs so many bytes: three phases' pages are in
/// memory at once.
constexpr size_t kLeafBytes = size_t{2} << 20;

bool changes_leaves_alone(const PlanNode & n) {
    return !is_view(n) &&
           std::all_of(n.out.begin(), n.out.end(), [](const Operand * t) { return t->alias && t->root()->is_leaf(); });
}

/// The leaves of a phase that are paged out.
class PagedLeaves {
  public:
    /// Whether the node brings the phase beyond its bytes; it is counted if it does not.
    bool add(const PlanNode & n) {
        std::set<const Tensor *> all = leaves_;
        size_t bytes = bytes_;
        for (const Operand * s : n.src) {
            const Tensor * leaf = s && s->root()->is_leaf() ? root_of(s)->tensor : nullptr;
            if (leaf && is_paged_out(*leaf) && all.insert(leaf).second) bytes += leaf->bytes();
        }
        if (!leaves_.empty() && bytes > kLeafBytes) return true;
        leaves_ = std::move(all), bytes_ = bytes;
        return false;
    }

  private:
    std::set<const Tensor *> leaves_;
    size_t bytes_ = 0;
};

}  // namespace

std::vector<size_t> phase_begins(const PlanList & list) {
    std::vector<size_t> begins;
    PagedLeaves leaves;
    int place = -1;
    for (size_t i = 0; i < list.nodes.size(); ++i) {
        const PlanNode & n = *list.nodes[i];
        const bool is_new = begins.empty() || n.place != place;
        const bool is_full =
            leaves.add(n) && i > 0 && changes_leaves_alone(n) && changes_leaves_alone(*list.nodes[i - 1]);
        if (!is_new && !is_full) continue;
        place = n.place;
        begins.push_back(i);
        leaves = PagedLeaves();
        (void)leaves.add(n);
    }
    begins.push_back(list.nodes.size());
    return begins;
}

size_t phase_of(const std::vector<size_t> & begins, size_t node) {
    return static_cast<size_t>(std::upper_bound(begins.begin(), begins.end(), node) - begins.begin()) - 1;
}

}  // namespace ql
