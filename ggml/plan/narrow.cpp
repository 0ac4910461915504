// Holding activations as bf16 where a device's products would round them anyway: half the bytes to save between forward
// and backward pass, to write and to read, and an operand of several products is rounded once.
//
// A value is rounded where it is produced, for every reader, or not at all; which values are rounded depends on the
// graph and the kernels' table alone. So recomputation and paging see the same bits.
#include "ggml/plan/pass.hpp"

namespace ql {
namespace {

constexpr int64_t kRowMultiple = 32;  // kernels take rows in whole vectors of bf16

/// One storage: a result, and the views of it that reshape makes.
struct Held {
    bool narrow = true;        // every node that writes or reads it can do so in bf16
    int64_t product_uses = 0;  // operands of products that can be bf16
};

class Narrowing {
  public:
    explicit Narrowing(PlanList & list) : list_(list) {
        for (const PlanNode * n : list.nodes) look_at(*n);
        for (const PlanList::Output & o : list.outputs) held_[root_of(o.value)].narrow = false;
    }

    void apply() {
        for (Value & v : list_.values())
            if (is_narrow(&v)) v.dtype = QL_BF16;
        std::vector<PlanNode *> nodes;
        for (PlanNode * n : list_.nodes) {
            for (size_t i = 0; i < n->src.size(); ++i)
                if (wants_rounded(*n, i)) n->src[i] = rounded(*n, *n->source(i), nodes);
            nodes.push_back(n);
        }
        list_.nodes = std::move(nodes);
    }

  private:
    static const Kernel & kernel(const PlanNode & n) { return *n.device->backend->kernels[op_index(n.def)]; }
    static bool fits(const Operand & t) { return t.dtype == QL_F32 && t.ne(0) % kRowMultiple == 0; }
    static bool can_read(const PlanNode & n, size_t i) {
        const Kernel & k = kernel(n);
        return n.device->caps.bf16 && fits(*n.src[i]) && k.reads_bf16 && k.reads_bf16(n, i);
    }
    static bool can_write(const PlanNode & n, size_t i) {
        const Kernel & k = kernel(n);
        return n.device->caps.bf16 && fits(*n.out[i]) && !n.out[i]->alias && k.writes_bf16 && k.writes_bf16(n, i);
    }

    void look_at(const PlanNode & n) {
        if (is_view(n)) return;
        for (size_t i = 0; i < n.out.size(); ++i)
            if (!can_write(n, i)) held_[root_of(n.out[i])].narrow = false;
        for (size_t i = 0; i < n.src.size(); ++i) {
            const Operand * s = n.src[i];
            if (!s || s->root()->is_leaf()) continue;
            Held & held = held_[root_of(s)];
            if (!can_read(n, i))
                held.narrow = false;
            else if (n.def->products)
                ++held.product_uses;
        }
    }

    bool is_narrow(const Value * v) const {
        const auto it = held_.find(root_of(v));
        return it != held_.end() && it->second.narrow && !v->root()->is_leaf();
    }

    bool wants_rounded(const PlanNode & n, size_t i) const {
        const Operand * s = n.src[i];
        if (!s || s->root()->is_leaf() || !n.def->products || !can_read(n, i)) return false;
        const auto it = held_.find(root_of(s));
        return it != held_.end() && it->second.product_uses > 1;
    }

    /// A rounded copy of an operand that several products read, made before the first of them.
    Value * rounded(const PlanNode & reader, Value & operand, std::vector<PlanNode *> & nodes) {
        Value *& copy = rounded_[root_of(&operand)];
        if (!copy) {
            copy = list_.make_value(operand);
            copy->dtype = QL_BF16;
            copy->device = reader.device;
            nodes.push_back(list_.make_node(reader, op::to_bf16, {}, {&operand}, {copy}));
        }
        if (copy->shape == operand.shape) return copy;
        Value * view = list_.make_value(*copy);
        view->shape = operand.shape;
        view->alias = copy;
        return view;
    }

    PlanList & list_;
    std::unordered_map<const Value *, Held> held_;        // by root
    std::unordered_map<const Value *, Value *> rounded_;  // root -> its rounded copy
};

}  // namespace

Status narrow(PlanList & list, const PassInput &) {
    Narrowing(list).apply();
    return {};
}

}  // namespace ql
