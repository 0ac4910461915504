// A few queries split the keys; more share K and V in blocks, with products in bf16 by the device's kernel for them,
// else in f32, as all of it where there is a soft cap. For these many queries a cache of f16 stands in scratch as f32.
#include "backends/cpu/attention/in_f32.hpp"
#include "backends/cpu/attention/shape.hpp"
#include "backends/cpu/attention/widened_cache.hpp"

namespace ql::cpu {
namespace {

size_t f32_scratch_attention(const Node & n, const DeviceImpl & d) {
    return attention_blocks_scratch(AttentionShape(n), cpu_of(d).pool.threads());
}

size_t many_scratch(const Node & n, const DeviceImpl & d) {
    const CpuDevice & cpu = cpu_of(d);
    const size_t f32 = in_f32_scratch(n, f32_scratch_attention(n, d));
    return cpu.bf16 ? std::max(f32, cpu.bf16->attention.scratch(AttentionShape(n), cpu.pool.threads())) : f32;
}

size_t scratch_attention(const Node & n, const DeviceImpl & d) {
    const AttentionShape s(n);
    if (s.n_tokens <= kFewTokens) return attention_few_scratch(s, cpu_of(d).pool.threads());
    const size_t many = many_scratch(n, d);
    return n.src[1]->dtype == QL_F16 ? widened_cache_scratch(n, many) : many;
}

bool attention_in_bf16(const Launch & l) {
    const Bf16Kernels * kernels = device_of(l).bf16;
    return kernels && l.node.params.as<AttentionParams>().cap == 0 && kernels->attention.launch(l);
}

Status launch_many(const Launch & l) {
    if (attention_in_bf16(l)) return {};
    return run_in_f32(l, attention_blocks, f32_scratch_attention(l.node, l.device));
}

Status launch_attention(const Launch & l) {
    if (l.in(0).ne(2) <= kFewTokens) return attention_few(l);
    if (l.in(1).dtype != QL_F16) return launch_many(l);
    return run_on_widened_cache(l, launch_many, many_scratch(l.node, l.device));
}

/// q, k and v; a few queries are computed in f32.
bool reads_bf16_attention(const Node & n, size_t source) {
    return source <= 2 && n.src[0]->ne(2) > kFewTokens;
}
/// o; lse stays exact.
bool writes_bf16_attention(const Node & n, size_t result) {
    return result == 0 && n.src[0]->ne(2) > kFewTokens;
}

}  // namespace

const Kernel kernel::attention = {.launch = launch_attention,
                                  .scratch = scratch_attention,
                                  .reads_bf16 = reads_bf16_attention,
                                  .writes_bf16 = writes_bf16_attention};

}  // namespace ql::cpu
