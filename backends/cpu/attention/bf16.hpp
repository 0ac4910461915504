// The attention kernels whose products are of bf16: the rows of bf16_kernels.hpp's table.
#pragma once
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {

// On AMX tiles; only where the processor has AMX and the system gives out the tile registers.

bool attention_blocks_amx(const Launch & l);
size_t attention_blocks_amx_scratch(const AttentionShape & s, int threads);
bool attention_gradients_amx(const Launch & l);
size_t attention_gradients_amx_scratch(const AttentionShape & s, int threads);

// By vdpbf16ps; only where the processor has AVX-512 BF16.

bool attention_blocks_bf16(const Launch & l);
size_t attention_blocks_bf16_scratch(const AttentionShape & s, int threads);
bool attention_gradients_bf16(const Launch & l);
size_t attention_gradients_bf16_scratch(const AttentionShape & s, int threads);

}  // namespace ql::cpu
