// The soft cap of rows of logits, and what it makes of their gradients.
#pragma once
#include <cstdint>

namespace ql::cpu {

/// logits = cap tanh(logits / cap); slope, unless null: the derivatives, 1 - (logits / cap)^2 of the capped ones.
void cap_logits(float * logits, float * slope, int64_t n, float cap);
/// The same of logits in f16.
void cap_logits_f16(uint16_t * logits, float * slope, int64_t n, float cap);
void multiply_slopes(float * dlogits, const float * slope, int64_t n);
/// Of gradients in bf16.
void multiply_slopes_bf16(uint16_t * dlogits, const float * slope, int64_t n);

}  // namespace ql::cpu
