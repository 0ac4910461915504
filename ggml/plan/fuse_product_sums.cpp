// A sum of products is one product over their depths laid end to end (mul_mat_sum): mul_mat, mul_mat_t,
// mul_mat_merged, lora and add nodes whose results are summed, and read by nobody else, become a single node, which writes its result once.
//
//     a linear with its LoRA branch and the residual:  add(r, lora(W x, x, A, B))  ->  h = A x;  r + W x + s B h
//     the gradient of what q, k and v were made of:    add(add(Wq^T dq, Aq^T dhq), ...)  ->  Wq^T dq + Aq^T dhq + ...
//     a linear with branches by token (lora_mix) takes what it is added to as a source of its own
//
// The node stands where the last of the nodes that it replaces stood. So no product may be moved past an operator that
// changes one of its sources in place.
#include <algorithm>
#include <unordered_set>

#include "ggml/ops/params.hpp"
#include "ggml/plan/pass.hpp"

namespace ql {
namespace {

struct Term {
    Operand *w, *x;
    bool transposed;
    float scale;
};

/// r + the terms, made at a position of the list.
struct Sum {
    Operand * rest = nullptr;
    std::vector<Term> terms;
    size_t position = 0;
    const Device * device = nullptr;
    bool taken_in = false;           // by another sum
    const PlanNode * mix = nullptr;  // a lora_mix, in place of terms
};

class ProductSumRule {
  public:
    explicit ProductSumRule(PlanList & list) : list_(list) {
        for (const PlanNode * n : list.nodes)
            for (const Operand * s : n->src) ++uses_[s];
        for (const PlanList::Output & o : list.outputs) outputs_.insert(o.value);
    }

    void apply() {
        for (size_t i = 0; i < list_.nodes.size(); ++i) {
            read(*list_.nodes[i], i);
            note_changes(*list_.nodes[i], i);
        }
        std::vector<PlanNode *> kept;
        for (PlanNode * n : list_.nodes) write(n, kept);
        list_.nodes = std::move(kept);
    }

  private:
    /// One term: source 0 times source 1.
    static bool is_product(const PlanNode & n) {
        return n.def == &op::mul_mat || n.def == &op::mul_mat_t || n.def == &op::mul_mat_merged;
    }

    void read(const PlanNode & n, size_t position) {
        if (!n.device->backend->kernels[op_index(&op::mul_mat_sum)]->launch) return;
        if (is_product(n)) {
            sums_[n.out[0]] = {nullptr, {{n.src[0], n.src[1], n.def == &op::mul_mat_t, 1.0f}}, position, n.device};
        } else if (n.def == &op::lora) {
            Sum branch{nullptr, {{n.src[3], n.out[1], false, n.params.as<LoraParams>().scale}}, position, n.device};
            combine(n, n.src[0], branch, position);
        } else if (n.def == &op::lora_mix) {
            sums_[n.out[0]] = {.position = position, .device = n.device, .mix = &n};
        } else if (n.def == &op::add && n.src[0]->shape == n.src[1]->shape && n.src[0] != n.src[1] &&
                   (add_to_mix(n, 0, position) || add_to_mix(n, 1, position))) {
            return;
        } else if (n.def == &op::add && n.src[0]->shape == n.src[1]->shape && n.src[0] != n.src[1]) {
            const bool take = available(n.src[1], n.device) && !sums_[n.src[1]].mix;
            const Sum other = take ? sums_[n.src[1]] : Sum{n.src[1], {}, position, n.device};
            if (combine(n, n.src[0], other, position) && take) sums_[n.src[1]].taken_in = true;
        }
    }

    /// Makes a lora_mix, source i of an add, take the other source in.
    bool add_to_mix(const PlanNode & n, size_t i, size_t position) {
        if (!available(n.src[i], n.device) || !sums_[n.src[i]].mix || sums_[n.src[i]].rest) return false;
        sums_[n.src[i]].taken_in = true;
        sums_[n.out[0]] = {.rest = n.src[1 - i], .position = position, .device = n.device, .mix = sums_[n.src[i]].mix};
        return true;
    }

    /// Makes the sum of node n from tensor t, whose own sum is taken in if that is possible, and `other`.
    bool combine(const PlanNode & n, Operand * t, const Sum & other, size_t position) {
        const bool take =
            available(t, n.device) && !sums_[t].mix && sums_[t].terms.size() + other.terms.size() <= kMulMatSumTerms;
        Sum all = take ? sums_[t] : Sum{t, {}, position, n.device};
        if (all.rest && other.rest) return false;
        if (!all.rest) all.rest = other.rest;
        all.terms.insert(all.terms.end(), other.terms.begin(), other.terms.end());
        all.position = position;
        if (take) sums_[t].taken_in = true;
        sums_[n.out[0]] = std::move(all);
        return true;
    }

    /// Whether a sum can be computed later, in the only node that reads it, which is on this device.
    bool available(const Operand * t, const Device * device) const {
        const auto it = sums_.find(t);
        if (it == sums_.end() || outputs_.count(t) || uses_.at(t) != 1 || it->second.device != device) return false;
        const auto unchanged = [&](const Operand * s) {
            const auto change = changed_.find(s->root());
            return change == changed_.end() || change->second <= it->second.position;
        };
        for (const Term & term : it->second.terms)
            if (!unchanged(term.w) || !unchanged(term.x)) return false;
        if (const PlanNode * mix = it->second.mix; mix && !std::all_of(mix->src.begin(), mix->src.end(), unchanged))
            return false;
        return !it->second.rest || unchanged(it->second.rest);
    }

    void note_changes(const Node & n, size_t position) {
        if (is_view(n)) return;
        for (const Operand * t : n.out)
            if (t->alias) changed_[t->root()] = position;
    }

    void write(PlanNode * n, std::vector<PlanNode *> & kept) {
        const auto it = sums_.find(n->out[0]);
        if (it == sums_.end()) return kept.push_back(n);
        if (n->def == &op::lora)
            kept.push_back(list_.make_node(*n, op::mul_mat, {}, {n->src[2], n->src[1]}, {n->out[1]}));
        const Sum & sum = it->second;
        if (sum.taken_in) return;
        if (sum.mix) return kept.push_back(sum.rest ? with_rest(*n, sum) : n);
        if (is_product(*n)) return kept.push_back(n);
        MulMatSumParams params;
        std::vector<Operand *> src = {sum.rest};
        for (size_t i = 0; i < sum.terms.size(); ++i) {
            params.transposed |= static_cast<uint32_t>(sum.terms[i].transposed) << i;
            params.scale[i] = sum.terms[i].scale;
            src.insert(src.end(), {sum.terms[i].w, sum.terms[i].x});
        }
        kept.push_back(list_.make_node(*n, op::mul_mat_sum, params, std::move(src), {n->out[0]}));
    }

    PlanNode * with_rest(const PlanNode & at, const Sum & sum) {
        std::vector<Operand *> src = sum.mix->src;
        src.push_back(sum.rest);
        return list_.make_node(at, op::lora_mix, sum.mix->params, std::move(src), {at.out[0]});
    }

    PlanList & list_;
    std::unordered_set<const Operand *> outputs_;
    std::unordered_map<const Operand *, int64_t> uses_;
    std::unordered_map<const Operand *, Sum> sums_;
    std::unordered_map<const Operand *, size_t> changed_;  // storage -> where it was last changed in place
};

}  // namespace

Status fuse_product_sums(PlanList & list, const PassInput &) {
    ProductSumRule(list).apply();
    return {};
}

}  // namespace ql
