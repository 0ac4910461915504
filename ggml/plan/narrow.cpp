#include "ggml/plan/narrow.hpp"

#include <algorithm>

namespace ql {
namespace {

constexpr int64_t kRowMultiple = 32;  // kernels take rows in whole vectors of bf16

/// One storage: a result, and the views of it that reshape makes.
struct Value {
    bool narrow = true;        // every node that writes or reads it can do so in bf16
    int64_t product_uses = 0;  // operands of products that can be bf16
};

class Pass {
  public:
    Pass(const Fused & list, const Kernel * const * kernels, std::span<Tensor * const> outputs)
        : list_(list), kernels_(kernels) {
        for (const Node * n : list.nodes) look_at(*n);
        for (const Operand * t : outputs) values_[t->root()].narrow = false;
        for (const auto & [dropped, kept] : list.same)
            values_[dropped->root()].narrow = values_[kept->root()].narrow = false;
    }

    Narrowed apply() {
        for (const Node * n : list_.nodes) rewrite(*n);
        return std::move(out_);
    }

  private:
    const Kernel & kernel(const Node & n) const { return *kernels_[op_index(n.def)]; }
    static bool fits(const Operand & t) { return t.dtype == QL_F32 && t.ne(0) % kRowMultiple == 0; }
    bool can_read(const Node & n, size_t i) const {
        const Kernel & k = kernel(n);
        return fits(*n.src[i]) && k.reads_bf16 && k.reads_bf16(n, i);
    }
    bool can_write(const Node & n, size_t i) const {
        const Kernel & k = kernel(n);
        return fits(*n.out[i]) && !n.out[i]->alias && k.writes_bf16 && k.writes_bf16(n, i);
    }
    static bool is_view(const Node & n) { return n.def == &op::reshape; }

    void look_at(const Node & n) {
        if (is_view(n)) return;
        for (size_t i = 0; i < n.out.size(); ++i)
            if (!can_write(n, i)) values_[n.out[i]->root()].narrow = false;
        for (size_t i = 0; i < n.src.size(); ++i) {
            const Operand * s = n.src[i];
            if (!s || s->root()->is_leaf()) continue;
            Value & value = values_[s->root()];
            if (!can_read(n, i))
                value.narrow = false;
            else if (n.def->products)
                ++value.product_uses;
        }
    }

    bool is_narrow(const Operand * t) const {
        const auto it = values_.find(t->root());
        return it != values_.end() && it->second.narrow && !t->root()->is_leaf();
    }

    /// The bf16 tensor that stands for t, a view of the one that stands for t's root where t is a view.
    Operand * narrowed(Operand * t) {
        if (const auto it = tensors_.find(t); it != tensors_.end()) return it->second;
        Operand * root = t->alias ? narrowed(const_cast<Operand *>(t->root())) : nullptr;
        Operand & copy = out_.tensors.emplace_back(*t);
        copy.dtype = QL_BF16;
        copy.alias = root;
        return tensors_[t] = &copy;
    }

    /// A rounded copy of an operand that several products read, made before the first of them.
    Operand * rounded(Operand * t) {
        Operand *& copy = rounded_[t->root()];
        if (!copy) {
            copy = &out_.tensors.emplace_back(*t);
            copy->dtype = QL_BF16;
            copy->alias = nullptr;
            out_.nodes.push_back(&out_.made.emplace_back(Node{&op::to_bf16, {}, {t}, {copy}}));
        }
        if (copy->shape == t->shape) return copy;
        Operand & view = out_.tensors.emplace_back(*copy);
        view.shape = t->shape;
        view.alias = copy;
        return &view;
    }

    bool wants_rounded(const Node & n, size_t i) const {
        const Operand * s = n.src[i];
        if (!s || s->root()->is_leaf() || !n.def->products || !can_read(n, i)) return false;
        const auto it = values_.find(s->root());
        return it != values_.end() && it->second.product_uses > 1;
    }

    void rewrite(const Node & n) {
        Node copy = n;
        bool changed = false;
        for (size_t i = 0; i < n.src.size(); ++i) {
            Operand * s = n.src[i];
            if (!s) continue;
            if (is_narrow(s))
                copy.src[i] = narrowed(s);
            else if (wants_rounded(n, i))
                copy.src[i] = rounded(s);
            changed |= copy.src[i] != s;
        }
        for (Operand *& t : copy.out) {
            if (!is_narrow(t)) continue;
            t = narrowed(t);
            changed = true;
        }
        if (!changed) return out_.nodes.push_back(&n);
        out_.made.push_back(std::move(copy));
        out_.origin[&out_.made.back()] = &n;
        out_.nodes.push_back(&out_.made.back());
    }

    const Fused & list_;
    const Kernel * const * kernels_;
    std::unordered_map<const Operand *, Value> values_;       // by root
    std::unordered_map<const Operand *, Operand *> tensors_;  // tensor -> what stands for it
    std::unordered_map<const Operand *, Operand *> rounded_;  // root -> its rounded copy
    Narrowed out_;
};

}  // namespace

Narrowed narrow(const Fused & list, const Kernel * const * kernels, std::span<Tensor * const> outputs) {
    return Pass(list, kernels, outputs).apply();
}

}  // namespace ql
