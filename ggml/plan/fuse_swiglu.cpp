// silu(gate) up is one operator, swiglu, and its gradients are one, swiglu_back. Where a graph composes them from
// `unary` and `mul`, the fused ones take their place: memory is passed over once, and silu(gate) is kept nowhere.
//
//     s = silu(gate);   y = s up                                 ->  y = swiglu(gate, up)
//     ds = dy up;   dup = dy s;   dgate = silu'(gate) ds         ->  dgate, dup = swiglu_back(gate, up, dy)
//
// Gradients come first: the backward pass then reads no silu(gate), and the readers that are left are products. Each
// becomes a swiglu, even dy s where the gate itself has no gradient. If anything else reads silu(gate), it is there
// anyway, and the products stay. This is asked of all silu(gate) of one gate together: a graph that computes some of
// them again for its backward pass gets the same operators, and bits, as one that keeps them. Results are the
// composition's within rounding; for a gate of -inf they are -inf or NaN, whichever is computed.
#include <algorithm>
#include <span>
#include <unordered_set>

#include "ggml/ops/params.hpp"
#include "ggml/plan/pass.hpp"
#include "ql/ops.h"

namespace ql {
namespace {

constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

/// a b of two tensors of one shape: nothing is repeated.
bool is_product(const Node & n) {
    return n.def == &op::mul && n.src[0] != n.src[1] && n.src[0]->shape == n.src[1]->shape;
}
bool is_silu(const Node & n) {
    return n.def == &op::unary && n.params == Params(UnaryParams{QL_UNARY_SILU, 0, 0, 0});
}
bool is_silu_slope(const Node & n) {
    return n.def == &op::unary && n.params == Params(UnaryParams{QL_UNARY_SILU, 1, 0, 0});
}
Operand * other_factor(const Node & product, const Operand * factor) {
    return product.src[product.src[0] == factor];
}

/// The nodes that gradients are composed of, by their positions in the list.
struct GradientNodes {
    size_t silu, slope, ds, dup, dgate;

    /// The fused node's place: behind what it reads, before what reads one of its results.
    size_t place() const { return std::max(ds, dup); }
};

class SwigluRule {
  public:
    explicit SwigluRule(PlanList & list) : list_(list), made_(list.nodes) {
        for (size_t i = 0; i < made_.size(); ++i) {
            for (const Operand * s : made_[i]->src) readers_[s].push_back(i);
            for (const Operand * t : made_[i]->out) writer_[t] = i;
        }
        for (const PlanList::Output & o : list.outputs) outputs_.insert(o.value);
        for (const PlanNode * n : made_)
            if (is_silu(*n) && !only_products_read(n->out[0])) kept_gates_.insert(n->src[0]);
    }

    void apply() {
        for (size_t i = 0; i < made_.size(); ++i) fuse_gradients_at(i);
        for (size_t i = 0; i < made_.size(); ++i) fuse_values_of(i);
        std::erase(made_, nullptr);
        list_.nodes = std::move(made_);
    }

  private:
    /// The position of the node that makes an operand, if it is of a kind.
    size_t writer_if(const Operand * t, bool (*is_kind)(const Node &)) const {
        const auto it = writer_.find(t);
        return it != writer_.end() && made_[it->second] && is_kind(*made_[it->second]) ? it->second : kNowhere;
    }
    bool only_products_read(const Operand * t) const {
        const auto it = readers_.find(t);
        return it != readers_.end() && !outputs_.count(t) &&
               std::all_of(it->second.begin(), it->second.end(), [&](size_t i) { return is_product(*made_[i]); });
    }
    bool read_once(const Operand * t) const { return !outputs_.count(t) && readers_.at(t).size() == 1; }

    /// Whether a node of [first, last] changes one of the sources in place: then none of them may be read later.
    bool is_changed(const std::vector<Operand *> & sources, size_t first, size_t last) const {
        return changes_in_place(std::span(list_.nodes).subspan(first, last - first + 1), sources);
    }

    // y = s up.

    void fuse_values_of(size_t at) {
        if (!made_[at] || !is_silu(*made_[at])) return;
        Operand *gate = made_[at]->src[0], *s = made_[at]->out[0];
        if (kept_gates_.count(gate) || !only_products_read(s)) return;
        const std::vector<size_t> products = readers_.at(s);
        for (const size_t i : products)
            if (!can_be_swiglu(at, i)) return;
        for (const size_t i : products) {
            PlanNode & n = *made_[i];
            made_[i] = list_.make_node(n, op::swiglu, {}, {gate, other_factor(n, s)}, {n.out[0]});
        }
        made_[at] = nullptr;
    }

    bool can_be_swiglu(size_t silu, size_t product) const {
        const PlanNode &s = *made_[silu], &n = *made_[product];
        const Node fused{&op::swiglu, {}, {s.src[0], other_factor(n, s.out[0])}, n.out};
        return s.device == n.device && takes(*n.device, fused).ok() && !is_changed({s.src[0]}, silu, product);
    }

    // dgate = silu'(gate) ds, and what belongs to it.

    void fuse_gradients_at(size_t at) {
        if (!made_[at] || !is_product(*made_[at])) return;
        for (const size_t i : {0, 1}) {
            const Operand *factor = made_[at]->src[i], *rest = made_[at]->src[1 - i];
            const size_t slope = writer_if(factor, is_silu_slope), ds = writer_if(rest, is_product);
            if (slope == kNowhere || ds == kNowhere || !read_once(factor) || !read_once(rest)) continue;
            for (const size_t j : {0, 1}) {
                Operand *dy = made_[ds]->src[j], *up = made_[ds]->src[1 - j], *gate = made_[slope]->src[0];
                const size_t dup = last_product_with_silu(dy, gate);
                if (dup == kNowhere) continue;
                const size_t silu = writer_if(other_factor(*made_[dup], dy), is_silu);
                if (fuse_gradients({silu, slope, ds, dup, at}, {gate, up, dy})) return;
            }
        }
    }

    /// dy silu(gate). The last such product: the first may be the forward pass's own, if dy is its `up`.
    size_t last_product_with_silu(const Operand * dy, const Operand * gate) const {
        const std::vector<size_t> & readers = readers_.at(dy);
        const auto found = std::find_if(readers.rbegin(), readers.rend(), [&](size_t i) {
            if (!is_product(*made_[i])) return false;
            const size_t s = writer_if(other_factor(*made_[i], dy), is_silu);
            return s != kNowhere && made_[s]->src[0] == gate;
        });
        return found == readers.rend() ? kNowhere : *found;
    }

    bool fuse_gradients(const GradientNodes & g, const std::vector<Operand *> & sources) {
        const PlanNode & last = *made_[g.dgate];
        const std::vector<Operand *> results = {last.out[0], made_[g.dup]->out[0]};
        if (!can_be_swiglu_back(g, {&op::swiglu_back, {}, sources, results})) return false;
        PlanNode * fused = list_.make_node(last, op::swiglu_back, {}, sources, results);
        for (const size_t i : {g.slope, g.ds, g.dup, g.dgate}) drop(i);
        put(fused, g.place());
        if (const Operand * s = made_[g.silu]->out[0]; readers_.at(s).empty() && !outputs_.count(s)) drop(g.silu);
        return true;
    }

    bool can_be_swiglu_back(const GradientNodes & g, const Node & fused) const {
        const Device * device = made_[g.dgate]->device;
        const auto nodes = {g.silu, g.slope, g.ds, g.dup, g.dgate};
        const auto [first, last] = std::minmax(nodes);
        return std::all_of(nodes.begin(), nodes.end(), [&](size_t i) { return made_[i]->device == device; }) &&
               !is_read_until(g.place(), fused.out[1]) && !is_changed(fused.src, first, last) &&
               takes(*device, fused).ok();
    }

    bool is_read_until(size_t position, const Operand * t) const {
        const auto it = readers_.find(t);
        return it != readers_.end() &&
               std::any_of(it->second.begin(), it->second.end(), [&](size_t i) { return i <= position; });
    }

    void drop(size_t at) {
        for (const Operand * s : made_[at]->src) std::erase(readers_[s], at);
        made_[at] = nullptr;
    }
    void put(PlanNode * node, size_t at) {
        made_[at] = node;
        for (const Operand * s : node->src) readers_[s].push_back(at);
        for (const Operand * t : node->out) writer_[t] = at;
    }

    PlanList & list_;
    std::vector<PlanNode *> made_;  // the list as it becomes: null where a node is gone
    std::unordered_map<const Operand *, std::vector<size_t>> readers_;
    std::unordered_map<const Operand *, size_t> writer_;
    std::unordered_set<const Operand *> outputs_;
    std::unordered_set<const Operand *> kept_gates_;  // whose silu is read by others than products
};

}  // namespace

Status fuse_swiglu(PlanList & list, const PassInput &) {
    SwigluRule(list).apply();
    return {};
}

}  // namespace ql
