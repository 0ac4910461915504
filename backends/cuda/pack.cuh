// Bits of words: two numbers of bf16 in one, and the place of the lowest bit.
#pragma once
#include "backends/cuda/kernel.cuh"

namespace ql::cuda {

#ifdef __CUDACC__

/// By one instruction.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
    const __nv_bfloat162 two = __floats2bfloat162_rn(low, high);
    return __bfloat16_as_ushort(two.x) | static_cast<uint32_t>(__bfloat16_as_ushort(two.y)) << 16;
}
/// Of a number that is not 0.
__device__ __forceinline__ int lowest_bit(uint32_t x) {
    return __ffs(static_cast<int>(x)) - 1;
}

#else

inline uint32_t pack_bf16(float low, float high) {
    return to_bf16(low) | static_cast<uint32_t>(to_bf16(high)) << 16;
}
inline int lowest_bit(uint32_t x) {
    return std::countr_zero(x);
}

#endif

}  // namespace ql::cuda
