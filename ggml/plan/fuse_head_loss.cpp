// head_loss_back computes the loss on its way: the forward node beside it would decode the head and multiply with it a
// second time (a third of the head's work). The forward node goes if the gradient of the loss does not itself depend
// on the loss. The node that is left stands where the first of the two stood, before everything that reads the loss.
#include <algorithm>
#include <span>

#include "ggml/plan/pass.hpp"

namespace ql {
namespace {

using Place = std::vector<PlanNode *>::iterator;

/// Whether two nodes are about one loss: head_loss_back has the gradient of the loss as source 4, head_loss has not.
bool are_of_one_loss(const PlanNode & forward, const PlanNode & back) {
    const auto &f = forward.src, &b = back.src;
    return f.size() + 1 == b.size() && std::equal(f.begin(), f.begin() + 4, b.begin()) &&
           std::equal(f.begin() + 4, f.end(), b.begin() + 5);
}

void fuse_with_forward(PlanList & list, Place back) {
    const auto forward = std::find_if(list.nodes.begin(), list.nodes.end(), [&](const PlanNode * n) {
        return n->def == &op::head_loss && n->params == (*back)->params && are_of_one_loss(*n, **back);
    });
    if (forward == list.nodes.end()) return;
    const auto [first, last] = std::minmax(forward, back);
    PlanNode *kept = *back, *dropped = *forward;
    if (changes_in_place(std::span(first, last), kept->src)) return;
    *first = kept;
    list.nodes.erase(last);
    list.replace(dropped->result(0), kept->result(1));
    list.replace(dropped->result(1), kept->result(2));
}

}  // namespace

Status fuse_head_loss(PlanList & list, const PassInput &) {
    for (const PlanNode * n : std::vector(list.nodes))
        if (n->def == &op::head_loss_back && n->src[4]->is_leaf())
            fuse_with_forward(list, std::find(list.nodes.begin(), list.nodes.end(), n));
    return {};
}

}  // namespace ql
