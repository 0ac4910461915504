// Products in bf16 by the device's kernel for them, else in f32. A few queries stay in f32, and soft caps, as in
// attention.cpp.
#include "backends/cpu/attention/in_f32.hpp"
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {
namespace {

bool is_few(const Node & n) {
    return n.src[0]->ne(2) <= kFewTokens;
}

size_t f32_scratch_attention_back(const Node & n, const DeviceImpl & d) {
    return attention_gradients_scratch(AttentionShape(n), cpu_of(d).pool.threads());
}

size_t scratch_attention_back(const Node & n, const DeviceImpl & d) {
    const size_t f32 = in_f32_scratch(n, f32_scratch_attention_back(n, d));
    const CpuDevice & cpu = cpu_of(d);
    if (!cpu.bf16 || is_few(n)) return f32;
    return std::max(f32, cpu.bf16->attention_back.scratch(AttentionShape(n), cpu.pool.threads()));
}

bool attention_back_in_bf16(const Launch & l) {
    const Bf16Kernels * kernels = device_of(l).bf16;
    return kernels && l.node.params.as<AttentionParams>().cap == 0 && kernels->attention_back.launch(l);
}

Status launch_attention_back(const Launch & l) {
    if (!is_few(l.node) && attention_back_in_bf16(l)) return {};
    return run_in_f32(l, attention_gradients, f32_scratch_attention_back(l.node, l.device));
}

/// q, k, v, o and do. The gradients are sums that grow where they lie, in f32.
bool reads_bf16_attention_back(const Node & n, size_t source) {
    return source <= 5 && source != 4 && !is_few(n);
}

}  // namespace

const Kernel kernel::attention_back = {
    .launch = launch_attention_back, .scratch = scratch_attention_back, .reads_bf16 = reads_bf16_attention_back};

}  // namespace ql::cpu
