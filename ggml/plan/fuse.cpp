// The table of rules. Each row looks at the whole list and may drop nodes whose results another node gives as well.
#include "ggml/plan/fuse.hpp"

#include <algorithm>

namespace ql {
namespace {

/// head_loss_back computes the loss on its way: the forward node beside it would decode the head and multiply with it a
/// second time (a third of the head's work). Only where the gradient of the loss does not itself depend on the loss.
void drop_forward_head_loss(Fused & list) {
    for (const Node * back : std::vector<const Node *>(list.nodes)) {
        if (back->def != &op::head_loss_back || !back->src[4]->is_leaf()) continue;
        const auto forward = std::find_if(list.nodes.begin(), list.nodes.end(), [&](const Node * n) {
            return n->def == &op::head_loss && std::equal(n->src.begin(), n->src.end(), back->src.begin());
        });
        if (forward == list.nodes.end()) continue;
        list.same[(*forward)->out[0]] = back->out[1];
        list.same[(*forward)->out[1]] = back->out[2];
        list.nodes.erase(forward);
    }
}

using Rule = void (*)(Fused &);
constexpr Rule kRules[] = {drop_forward_head_loss};

}  // namespace

Fused fuse(std::vector<const Node *> nodes) {
    Fused list{std::move(nodes), {}};
    for (const Rule rule : kRules) rule(list);
    return list;
}

}  // namespace ql
