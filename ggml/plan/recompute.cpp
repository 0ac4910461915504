// Computes values of the forward pass again where the backward pass needs them, instead of keeping them until then.
//
// The unit is a place of the model, one of its layers. Of a recomputed place only what other places read stays alive: its
// input, mostly, which is the output of the place before. Nodes that lead from there to what the backward pass reads
// are cloned in front of the first backward node that reads one of their results. The last place is never
// recomputed: its backward pass follows its forward pass at once.
//
// The pass comes after fusion and narrowing, so the clones are the very nodes of the forward pass, and give its bits.
#include <algorithm>
#include <unordered_set>

#include "ggml/plan/pass.hpp"

namespace ql {
namespace {

class Recomputing {
  public:
    explicit Recomputing(PlanList & list) : list_(list) {
        for (PlanNode * n : list.nodes) {
            if (n->is_backward || is_view(*n)) continue;
            last_place_ = std::max(last_place_, n->place);
            if (!changes_something(*n))
                for (const Operand * t : n->out) producer_[t] = n;
        }
        for (const PlanNode * n : list.nodes)
            for (const Operand * s : n->src)
                if (s && !n->is_backward) keep_if_elsewhere(*s, *n);
        for (const PlanList::Output & o : list.outputs) kept_.insert(o.value->root());
    }

    void apply(int places) {
        places_ = std::min(places, last_place_);
        find_needed();
        std::vector<PlanNode *> nodes;
        for (PlanNode * n : list_.nodes) {
            if (n->is_backward) {
                const int place = place_to_recompute(*n);
                if (place >= 0) clone_place(place, nodes);
                for (Operand *& s : n->src)
                    if (s) s = again(*s);
            }
            nodes.push_back(n);
        }
        list_.nodes = std::move(nodes);
    }

  private:
    static bool changes_something(const PlanNode & n) {
        return std::any_of(n.out.begin(), n.out.end(), [](const Operand * t) { return t->alias; });
    }

    void keep_if_elsewhere(const Operand & value, const PlanNode & reader) {
        const auto it = producer_.find(value.root());
        if (it != producer_.end() && it->second->place != reader.place) kept_.insert(value.root());
    }

    /// Whether a value is one that the pass computes again.
    bool is_dropped(const Operand & value) const {
        const auto it = producer_.find(value.root());
        return it != producer_.end() && it->second->place < places_ && !kept_.count(value.root());
    }

    /// The place of a dropped value that the node reads and that has no clone yet; -1: there is none.
    int place_to_recompute(const PlanNode & n) const {
        for (const Operand * s : n.src)
            if (s && is_dropped(*s) && !again_.count(s->root())) return producer_.at(s->root())->place;
        return -1;
    }

    /// The nodes that lead to dropped values which backward nodes read, by place.
    void find_needed() {
        std::unordered_set<const PlanNode *> needed;
        for (auto it = list_.nodes.rbegin(); it != list_.nodes.rend(); ++it) {
            PlanNode & n = **it;
            if (needed.count(&n)) needed_[n.place].insert(needed_[n.place].begin(), &n);
            if (!n.is_backward && !needed.count(&n)) continue;
            for (const Operand * s : n.src)
                if (s && is_dropped(*s)) needed.insert(producer_.at(s->root()));
        }
    }

    void clone_place(int place, std::vector<PlanNode *> & nodes) {
        for (PlanNode * n : needed_[place]) nodes.push_back(clone(*n));
    }

    PlanNode * clone(const PlanNode & n) {
        std::vector<Operand *> src, out;
        for (Operand * s : n.src) src.push_back(s ? again(*s) : nullptr);
        for (size_t i = 0; i < n.out.size(); ++i) {
            Value * made = list_.make_value(*n.result(i));
            made->name += " again";
            again_[n.out[i]] = made;
            out.push_back(made);
        }
        PlanNode * made = list_.make_node(n, *n.def, n.params, std::move(src), std::move(out));
        made->is_backward = true;
        return made;
    }

    /// What stands for an operand where it was recomputed: for a view, the same view of the clone's bytes.
    Operand * again(Operand & t) {
        if (const auto it = again_.find(&t); it != again_.end()) return it->second;
        if (!t.alias || !again_.count(t.root())) return &t;
        Operand * base = again(*t.alias);
        Value * view = list_.make_value(static_cast<Value &>(t));
        view->alias = base;
        return again_[&t] = view;
    }

    PlanList & list_;
    int places_ = 0, last_place_ = 0;
    std::unordered_map<const Operand *, PlanNode *> producer_;  // of results of the forward pass, by root
    std::unordered_set<const Operand *> kept_;                  // roots that outlive their place anyway
    std::unordered_map<int, std::vector<PlanNode *>> needed_;   // what is cloned of a place
    std::unordered_map<const Operand *, Value *> again_;        // a value and what stands for it in the backward pass
};

}  // namespace

Status recompute(PlanList & list, const PassInput & input) {
    if (input.recomputed > 0) Recomputing(list).apply(input.recomputed);
    return {};
}

}  // namespace ql
