// The conversions of half.hpp over arrays, with their bits, as fast as the processor has instructions for them.
#pragma once
#include <cstdint>

namespace ql {

void f16_to_f32(const uint16_t * src, int64_t n, float * dst);
void f32_to_f16(const float * src, int64_t n, uint16_t * dst);
void bf16_to_f32(const uint16_t * src, int64_t n, float * dst);
void f32_to_bf16(const float * src, int64_t n, uint16_t * dst);

}  // namespace ql
