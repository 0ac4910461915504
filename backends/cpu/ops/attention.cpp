// Three kernels. A few queries split the keys; more share K and V in blocks, with products of bf16 where vectors
// multiply it. Where AMX alone does, tensors may be held in bf16 all the same, and stand in scratch as f32.
#include "backends/cpu/attention/in_f32.hpp"
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {
namespace {

size_t f32_scratch(const Node & n, const DeviceImpl & d) {
    return attention_blocks_scratch(AttentionShape(n), cpu_of(d).pool.threads());
}

size_t scratch(const Node & n, const DeviceImpl & d) {
    const AttentionShape s(n);
    const int threads = cpu_of(d).pool.threads();
    if (s.n_tokens <= kFewTokens) return attention_few_scratch(s, threads);
    const size_t f32 = in_f32_scratch(n, f32_scratch(n, d));
    return cpu_of(d).bf16_vectors() ? std::max(f32, attention_blocks_bf16_scratch(s, threads)) : f32;
}

Status launch(const Launch & l) {
    if (l.in(0).ne(2) <= kFewTokens) return attention_few(l);
    if (device_of(l).bf16_vectors() && attention_blocks_bf16(l)) return {};
    return run_in_f32(l, attention_blocks, f32_scratch(l.node, l.device));
}

/// q, k and v; a few queries are f32's.
bool reads_bf16(const Node & n, size_t source) {
    return source <= 2 && n.src[0]->ne(2) > kFewTokens;
}
/// o; lse stays exact.
bool writes_bf16(const Node & n, size_t result) {
    return result == 0 && n.src[0]->ne(2) > kFewTokens;
}

}  // namespace

const Kernel kernel::attention = {
    .launch = launch, .scratch = scratch, .reads_bf16 = reads_bf16, .writes_bf16 = writes_bf16};

}  // namespace ql::cpu
