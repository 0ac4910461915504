#include "ggml/plan/check.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <unordered_set>

namespace ql {
namespace {

Status fault(const Node & n, const std::string & what) {
    return error(QL_INTERNAL, "%s: %s", std::string(n.def->name).c_str(), what.c_str());
}

/// Writers come before readers, one for each result.
Status check_order(const PlanList & list) {
    std::unordered_set<const Operand *> written;
    const auto is_there = [&](const Operand * t) { return t->root()->is_leaf() || written.count(t->root()); };
    for (const PlanNode * n : list.nodes) {
        for (const Operand * s : n->src)
            if (s && !is_there(s)) return fault(*n, "reads " + describe(*s) + " before it is written");
        for (const Operand * t : n->out) {
            if (t->is_leaf()) return fault(*n, "writes the leaf " + describe(*t));
            if (t->alias ? !is_there(t) : !written.insert(t).second)
                return fault(*n, "is not the one writer of " + describe(*t));
        }
    }
    for (const PlanList::Output & o : list.outputs)
        if (!is_there(o.value)) return error(QL_INTERNAL, "nothing writes the output %s", describe(*o.value).c_str());
    return {};
}

/// The node as its rule knows it: activations that are held in bf16 are f32 to it.
class Widened {
  public:
    explicit Widened(const Node & n) : node(n) {
        if (n.def == &op::to_bf16) return;
        for (Operand *& t : node.src)
            if (t && t->dtype == QL_BF16 && !t->is_leaf()) t = widened(*t);
    }
    Node node;

    /// Whether a result has the type of the rule, or its narrow form.
    static bool same_type(ql_dtype held, ql_dtype rule) { return held == rule || (held == QL_BF16 && rule == QL_F32); }

  private:
    Operand * widened(const Operand & t) {
        Operand & copy = copies_.emplace_back(t);
        copy.dtype = QL_F32;
        return &copy;
    }
    std::deque<Operand> copies_;
};

Status check_rule(const PlanNode & n) {
    const Widened rule(n);
    std::vector<OutSpec> specs;
    if (Status s = n.def->infer(rule.node, specs); !s.ok()) return error(QL_INTERNAL, "%s", s.message().c_str());
    if (specs.size() != n.out.size()) return fault(n, "has another number of results than its rule");
    for (size_t i = 0; i < specs.size(); ++i) {
        const Operand & t = *n.out[i];
        const Operand * alias = specs[i].alias >= 0 ? n.src[static_cast<size_t>(specs[i].alias)] : nullptr;
        if (t.shape != specs[i].shape || !Widened::same_type(t.dtype, specs[i].dtype) || t.alias != alias ||
            t.may_reuse != specs[i].may_reuse)
            return fault(n, "its result " + describe(t) + " is not what its rule says");
    }
    return {};
}

/// Goes through the nodes, noting for every buffer whose bytes it holds.
Status check_buffers(const PlanList & list) {
    std::vector<const Operand *> content(list.buffers.size());
    const auto is_held = [&](const Operand * t) {
        const Value * root = root_of(t);
        return root->is_leaf() || (root->buffer < content.size() && content[root->buffer] == root);
    };
    for (const PlanNode * n : list.nodes) {
        for (const Operand * s : n->src)
            if (s && !is_held(s)) return fault(*n, "reads " + describe(*s) + ", whose buffer holds something else");
        std::unordered_set<size_t> own;
        if (n->scratch != kNoBuffer) own.insert(n->scratch);
        for (const Operand * t : n->out) {
            if (t->alias) continue;
            const size_t buffer = root_of(t)->buffer;
            if (buffer >= content.size() || !own.insert(buffer).second || list.buffers[buffer].bytes != t->bytes() ||
                list.buffers[buffer].device != n->device)
                return fault(*n, "its result " + describe(*t) + " has no buffer of its own");
            content[buffer] = t;
        }
    }
    for (const PlanList::Output & o : list.outputs)
        if (!is_held(o.value)) return error(QL_INTERNAL, "the output %s is overwritten", describe(*o.value).c_str());
    return {};
}

/// A copy goes between its device's own memory and the host's.
Status check_copy(const PlanNode & n) {
    const Value &from = *root_of(n.src[0]), &to = *root_of(n.out[0]);
    const Value &own = from.is_in_host_memory() ? to : from, &other = &own == &to ? from : to;
    if (own.is_in_host_memory() || own.device != n.device || !other.is_in_host_memory())
        return fault(n, "of " + describe(from) + " is not between the memories of its device and the host");
    return {};
}

/// Once kernels are chosen: a node finds all its operands in memory that its device reads, and writes its own.
Status check_devices(const PlanList & list) {
    for (const PlanNode * n : list.nodes) {
        if (is_copy(*n)) {
            QL_TRY(check_copy(*n));
            continue;
        }
        if (!n->kernel) return {};
        for (const Operand * s : n->src)
            if (s && !root_of(s)->is_readable_by(*n->device))
                return fault(*n, "reads " + describe(*s) + " on the wrong device");
        for (const Operand * t : n->out)
            if (root_of(t)->device != n->device) return fault(*n, "writes " + describe(*t) + " on another device");
    }
    return {};
}

bool live_together(const Buffer & a, const Buffer & b) {
    return a.first <= b.last && b.first <= a.last;
}
bool share_bytes(const Buffer & a, const Buffer & b) {
    return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

}  // namespace

Status check_list(const PlanList & list) {
    QL_TRY(check_order(list));
    for (const PlanNode * n : list.nodes) QL_TRY(check_rule(*n));
    QL_TRY(check_devices(list));
    return list.buffers.empty() ? Status() : check_buffers(list);
}

Status check_layout(const PlanList & list, const Device * device, const Layout & layout) {
    const auto & buffers = list.buffers;
    for (size_t i = 0; i < buffers.size(); ++i) {
        const Buffer & a = buffers[i];
        if (a.device != device) continue;
        if (a.offset + a.bytes > layout.of(a.region))
            return error(QL_INTERNAL, "plan: buffer %zu ends outside its memory", i);
        for (size_t j = 0; j < i; ++j) {
            const Buffer & b = buffers[j];
            const bool apart =
                b.device != device || a.region != b.region || (a.region != Region::outputs && !live_together(a, b));
            if (!apart && share_bytes(a, b))
                return error(QL_INTERNAL, "plan: buffers %zu and %zu share bytes at the same time", j, i);
        }
    }
    return {};
}

}  // namespace ql
