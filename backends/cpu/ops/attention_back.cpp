// Two kernels: products of bf16 where vectors multiply it, else of f32. A few queries stay in f32, as in attention.cpp.
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {
namespace {

bool takes_bf16(const Node & n, const DeviceImpl & d) {
    return cpu_of(d).bf16_vectors() && n.src[0]->ne(2) > kFewTokens;
}

size_t scratch(const Node & n, const DeviceImpl & d) {
    const AttentionShape s(n);
    const int threads = cpu_of(d).pool.threads();
    return takes_bf16(n, d) ? attention_gradients_bf16_scratch(s, threads) : attention_gradients_scratch(s, threads);
}

Status launch(const Launch & l) {
    return takes_bf16(l.node, l.device) ? attention_gradients_bf16(l) : attention_gradients(l);
}

}  // namespace

const Kernel kernel::attention_back = {launch, scratch};

}  // namespace ql::cpu
