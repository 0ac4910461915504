#include "ggml/plan/list.hpp"

#include <algorithm>
#include <unordered_set>

namespace ql {

bool changes_in_place(std::span<PlanNode * const> nodes, std::span<Operand * const> operands) {
    const auto is_one = [&](const Operand * changed) {
        return changed->alias && std::any_of(operands.begin(), operands.end(),
                                             [&](const Operand * t) { return t && t->root() == changed->root(); });
    };
    return std::any_of(nodes.begin(), nodes.end(), [&](const PlanNode * n) {
        return !is_view(*n) && std::any_of(n->out.begin(), n->out.end(), is_one);
    });
}

Value * PlanList::value_of(Tensor * tensor) {
    if (const auto it = value_of_.find(tensor); it != value_of_.end()) return it->second;
    Operand * alias = tensor->alias ? value_of(static_cast<Tensor *>(tensor->alias)) : nullptr;
    Value & made = values_.emplace_back(Value{*tensor, tensor});
    made.alias = alias;
    return value_of_[tensor] = &made;
}

PlanNode * PlanList::node_of(const GraphNode & node) {
    PlanNode & made = owned_.emplace_back(PlanNode{{node.def, node.params, {}, {}}, node.place, node.is_backward});
    for (size_t i = 0; i < node.src.size(); ++i) made.src.push_back(node.src[i] ? value_of(node.source(i)) : nullptr);
    for (size_t i = 0; i < node.out.size(); ++i) made.out.push_back(value_of(node.result(i)));
    return &made;
}

PlanNode * PlanList::make_node(const PlanNode & like, const OpDef & def, Params params, std::vector<Operand *> src,
                               std::vector<Operand *> out) {
    PlanNode & made = owned_.emplace_back(
        PlanNode{{&def, params, std::move(src), std::move(out)}, like.place, like.is_backward, like.device});
    std::vector<OutSpec> specs;
    (void)def.infer(made, specs);  // check_list asks the rule again, and reports what it says
    for (size_t i = 0; i < std::min(specs.size(), made.out.size()); ++i) {
        made.out[i]->alias = specs[i].alias >= 0 ? made.src[static_cast<size_t>(specs[i].alias)] : nullptr;
        made.out[i]->may_reuse = specs[i].may_reuse;
    }
    return &made;
}

Value * PlanList::make_value(const Value & like) {
    Value & made = values_.emplace_back(like);
    made.tensor = nullptr;
    return &made;
}

void PlanList::replace(const Value * old, Value * now) {
    const auto is_old = [&](const Operand * t) { return t == old; };
    for (PlanNode * n : nodes) std::replace_if(n->src.begin(), n->src.end(), is_old, now);
    for (Value & v : values_)
        if (v.alias == old) v.alias = now;
    for (Output & o : outputs)
        if (o.value == old) o.value = now;
}

Value * PlanList::weight_on(const Value & weight, Device & device) {
    Value *& value = weight_on_[{weight.tensor, &device}];
    if (value) return value;
    value = &values_.emplace_back(weight);
    value->device = &device;
    return value;
}

std::vector<const Value *> PlanList::leaves() const {
    std::unordered_set<const Value *> seen;
    std::vector<const Value *> found;
    const auto visit = [&](const Operand * t) {
        if (t && t->root()->is_leaf() && seen.insert(root_of(t)).second) found.push_back(root_of(t));
    };
    for (const PlanNode * n : nodes)
        for (const Operand * s : n->src) visit(s);
    for (const Output & o : outputs) visit(o.value);
    return found;
}

}  // namespace ql
