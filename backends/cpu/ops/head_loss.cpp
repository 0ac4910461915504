// loss = sum_t weight[t] nll[t]: the chunked head without its gradient.
#include "backends/cpu/products/head.hpp"
#include "ggml/ops/head_loss.hpp"

namespace ql::cpu {
namespace {

float cap_of_head_loss(const Node & n) {
    return n.params.as<HeadLossParams>().cap;
}

size_t scratch_head_loss(const Node & n, const DeviceImpl & device) {
    return head_loss_scratch(weight_of(*n.src[1], nullptr), n.src[0]->ne(1), cap_of_head_loss(n) > 0, cpu_of(device));
}

Status launch_head_loss(const Launch & l) {
    HeadLoss head{weight_of(l.in(1), l.src[1]), l.in(0).ne(1), l.x(0), l.ids(2), l.x(3), l.y(0), l.y(1)};
    head.cap = cap_of_head_loss(l.node);
    if (has_own_logits(l.node, 4)) head.n_rows = l.in(4).ne(0), head.rows = l.ids(4), head.own = l.x(5);
    head_loss(device_of(l), head, l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::head_loss = {launch_head_loss, scratch_head_loss};
}  // namespace ql::cpu
