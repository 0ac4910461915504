// Three kernels. A few queries split the keys; more share K and V in blocks, with products of bf16 where vectors
// multiply it.
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {
namespace {

size_t scratch(const Node & n, const DeviceImpl & d) {
    const AttentionShape s(n);
    const int threads = cpu_of(d).pool.threads();
    if (s.n_tokens <= kFewTokens) return attention_few_scratch(s, threads);
    return cpu_of(d).bf16_vectors() ? attention_blocks_bf16_scratch(s, threads) : attention_blocks_scratch(s, threads);
}

Status launch(const Launch & l) {
    if (l.in(0).ne(2) <= kFewTokens) return attention_few(l);
    return device_of(l).bf16_vectors() ? attention_blocks_bf16(l) : attention_blocks(l);
}

}  // namespace

const Kernel kernel::attention = {launch, scratch};

}  // namespace ql::cpu
