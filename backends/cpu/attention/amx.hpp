// Attention of many queries on AMX tiles; only where the processor has AMX and the system gives out the tile registers
// (Isa::amx). As attention_blocks_bf16() and attention_gradients_bf16() of shape.hpp.
#pragma once
#include "backends/cpu/attention/shape.hpp"

namespace ql::cpu {

bool attention_blocks_amx(const Launch & l);
size_t attention_blocks_amx_scratch(const AttentionShape & s, int threads);
bool attention_gradients_amx(const Launch & l);
size_t attention_gradients_amx_scratch(const AttentionShape & s, int threads);

}  // namespace ql::cpu
