// The row of attention's gradients; attention/backward.cpp has the kernel.
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {
namespace {

size_t scratch(const Node & n, const DeviceImpl & d) {
    return attention_gradients_scratch(AttentionShape(n), cpu_of(d).pool.threads());
}

}  // namespace

const Kernel kernel::attention_back = {attention_gradients, scratch};

}  // namespace ql::cpu
