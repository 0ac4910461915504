// dx, and the loss on the way: the chunked head with its gradient.
#include "backends/cpu/products/head.hpp"

namespace ql::cpu {
namespace {

size_t scratch(const Node & n, const DeviceImpl & device) {
    return head_loss_scratch(weight_of(*n.src[1], nullptr), n.src[0]->ne(1), cpu_of(device));
}

Status launch(const Launch & l) {
    const HeadLoss head{
        weight_of(l.in(1), l.src[1]), l.in(0).ne(1), l.x(0), l.ids(2), l.x(3), l.y(1), l.y(2), l.x(4), l.y(0)};
    head_loss(device_of(l), head, l.scratch);
    return {};
}

}  // namespace

const Kernel kernel::head_loss_back = {launch, scratch};
}  // namespace ql::cpu
