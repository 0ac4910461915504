// Finds what the outputs need, backwards from them.
#include <algorithm>
#include <unordered_set>

#include "ggml/plan/pass.hpp"

namespace ql {

Status reach(PlanList & list, const PassInput & input) {
    std::unordered_set<const GraphNode *> seen;
    std::vector<const GraphNode *> open, found;
    const auto visit = [&](const Tensor * t) {
        if (t && t->producer && seen.insert(t->producer).second) open.push_back(t->producer);
    };
    for (const Tensor * t : input.outputs) visit(t);
    while (!open.empty()) {
        const GraphNode * n = open.back();
        open.pop_back();
        found.push_back(n);
        for (size_t i = 0; i < n->src.size(); ++i) visit(n->source(i));
    }
    std::sort(found.begin(), found.end(), [](const auto * a, const auto * b) { return a->index < b->index; });
    for (const GraphNode * n : found) list.nodes.push_back(list.node_of(*n));
    for (Tensor * t : input.outputs) list.outputs.push_back({t, list.value_of(t)});
    return {};
}

}  // namespace ql
