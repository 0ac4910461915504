// head_loss_back computes the loss on its way: the forward node beside it would decode the head and multiply with it a
// second time (a third of the head's work). Only where the gradient of the loss does not itself depend on the loss.
#include <algorithm>

#include "ggml/plan/fuse.hpp"

namespace ql {

void fuse_head_loss(Fused & list, const std::unordered_set<const Operand *> &) {
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

}  // namespace ql
