// dx, and the loss on the way: the chunked head with its gradient.
#include "backends/cpu/products/head.hpp"
#include "ggml/ops/head_loss.hpp"

namespace ql::cpu {
namespace {

float cap_of_head_loss_back(const Node & n) {
    return n.params.as<HeadLossParams>().cap;
}

size_t scratch_head_loss_back(const Node & n, const DeviceImpl & device) {
    return head_loss_scratch(weight_of(*n.src[1], nullptr), n.src[0]->ne(1), cap_of_head_loss_back(n) > 0,
                             cpu_of(device));
}

Status launch_head_loss_back(const Launch & l) {
    HeadLoss head{
        weight_of(l.in(1), l.src[1]), l.in(0).ne(1), l.x(0), l.ids(2), l.x(3), l.y(1), l.y(2), l.x(4), l.y(0)};
    head.cap = cap_of_head_loss_back(l.node);
    if (has_own_logits(l.node, 5))
        head.n_rows = l.in(5).ne(0), head.rows = l.ids(5), head.own = l.x(6), head.down = l.y(3);
    head_loss(device_of(l), head, l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::head_loss_back = {launch_head_loss_back, scratch_head_loss_back};
}  // namespace ql::cpu
