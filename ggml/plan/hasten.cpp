// A node that only changes leaves in place runs as soon as what it reads is there. Gradients are accumulated where the
// backward pass makes them and not after its end, so none of them lives longer than its layer.
//
// Nodes that read or write the same bytes keep their order, so no value changes.
#include <algorithm>
#include <unordered_map>

#include "ggml/plan/pass.hpp"

namespace ql {
namespace {

class Hastening {
  public:
    void apply(PlanList & list) {
        std::vector<std::pair<size_t, PlanNode *>> slots;
        for (size_t i = 0; i < list.nodes.size(); ++i) {
            PlanNode * n = list.nodes[i];
            const size_t slot = changes_leaves_alone(*n) ? earliest(*n) : i;
            if (slot < i) n->place = list.nodes[slot]->place;
            note(*n, slot);
            slots.emplace_back(slot, n);
        }
        std::stable_sort(slots.begin(), slots.end(), [](const auto & a, const auto & b) { return a.first < b.first; });
        std::transform(slots.begin(), slots.end(), list.nodes.begin(), [](const auto & s) { return s.second; });
    }

  private:
    /// The slots after which a storage was last read and last written; a moved node has the slot of the one that it
    /// follows.
    struct Uses {
        size_t read = 0, written = 0;
    };

    static bool changes_leaves_alone(const PlanNode & n) {
        return !is_view(n) && std::all_of(n.out.begin(), n.out.end(),
                                          [](const Operand * t) { return t->alias && t->root()->is_leaf(); });
    }

    size_t earliest(const PlanNode & n) const {
        size_t slot = 0;
        const auto after = [&](const Operand * t, bool writes) {
            const auto it = uses_.find(t->root());
            if (it != uses_.end()) slot = std::max({slot, it->second.written, writes ? it->second.read : 0});
        };
        for (const Operand * s : n.src)
            if (s) after(s, false);
        for (const Operand * t : n.out) after(t, true);
        return slot;
    }

    void note(const PlanNode & n, size_t slot) {
        if (is_view(n)) return;
        for (const Operand * s : n.src)
            if (s) {
                size_t & read = uses_[s->root()].read;
                read = std::max(read, slot);
            }
        for (const Operand * t : n.out) {
            size_t & written = uses_[t->root()].written;
            written = std::max(written, slot);
        }
    }

    std::unordered_map<const Operand *, Uses> uses_;
};

}  // namespace

Status hasten(PlanList & list, const PassInput &) {
    Hastening().apply(list);
    return {};
}

}  // namespace ql
