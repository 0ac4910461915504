// What kernels are written with, for both compilers: nvcc, and the host's with the emulation (emu/).
//
// A kernel is plain CUDA C++ with three agreements. Its shared memory is one struct, from shared_memory<T>(): the launch
// asks for sizeof(T) bytes, and the emulation knows the range. It is launched by start() (launch.cuh). Instructions of
// PTX have the names below.
#pragma once
#include <bit>
#include <cstdint>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#else
#include "backends/cuda/emu/device.hpp"
#include "backends/cuda/emu/runtime.hpp"
#include "ggml/dtypes/half.hpp"
#endif

namespace ql::cuda {

/// Four numbers at an address that is a multiple of 16.
struct alignas(16) Float4 {
    float x, y, z, w;
};

#ifdef __CUDACC__

/// A load that is not joined with its neighbours: the host's compiler would read a word at any address, which no card does.
template <typename T>
__device__ __forceinline__ T load_alone(const T * p) {
    return *p;
}
template <typename T>
__device__ __forceinline__ T & shared_memory() {
    extern __shared__ __align__(16) unsigned char ql_shared[];
    return *reinterpret_cast<T *>(ql_shared);
}

__device__ __forceinline__ float f16_number(uint16_t h) {
    return __half2float(__ushort_as_half(h));
}
__device__ __forceinline__ uint16_t to_f16(float x) {
    return __half_as_ushort(__float2half_rn(x));
}
__device__ __forceinline__ float bf16_number(uint16_t h) {
    return __uint_as_float(static_cast<uint32_t>(h) << 16);
}
__device__ __forceinline__ float bits_as_float(uint32_t bits) {
    return __uint_as_float(bits);
}
__device__ __forceinline__ uint16_t to_bf16(float x) {
    return __bfloat16_as_ushort(__float2bfloat16_rn(x));
}

/// D += A B, m16n8k16, fragments as PTX lays them out over a warp; A is row-major, B column-major.
__device__ __forceinline__ void mma_bf16(float * d, const uint32_t * a, const uint32_t * b) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_f16(float * d, const uint32_t * a, const uint32_t * b) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/// Four 8x8 matrices of 16-bit numbers from shared memory: lane i gives row i % 8 of matrix i / 8.
__device__ __forceinline__ void load_matrices(uint32_t * r, const void * row) {
    const auto at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(uint32_t * r, const void * row) {
    const auto at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}
/// 16 bytes from global to shared memory, on their own; both addresses are multiples of 16.
__device__ __forceinline__ void copy_async(void * shared, const void * global) {
    const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
}
__device__ __forceinline__ void commit_copies() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Until all but the last `kLeft` groups have arrived; a barrier shows them to other threads.
template <int kLeft>
__device__ __forceinline__ void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
}

#else

template <typename T>
T load_alone(const T * p) {
    return *const_cast<const volatile T *>(p);
}
template <typename T>
T & shared_memory() {
    return *static_cast<T *>(emu::shared_data());
}
inline float f16_number(uint16_t h) {
    return f16_to_f32(h);
}
inline uint16_t to_f16(float x) {
    return f32_to_f16(x);
}
inline float bf16_number(uint16_t h) {
    return bf16_to_f32(h);
}
inline float bits_as_float(uint32_t bits) {
    return std::bit_cast<float>(bits);
}
inline uint16_t to_bf16(float x) {
    return f32_to_bf16(x);
}
inline void mma_bf16(float * d, const uint32_t * a, const uint32_t * b) {
    emu::mma_m16n8k16(d, a, b, false);
}
inline void mma_f16(float * d, const uint32_t * a, const uint32_t * b) {
    emu::mma_m16n8k16(d, a, b, true);
}
inline void load_matrices(uint32_t * r, const void * row) {
    emu::ldmatrix_x4(r, row, false);
}
inline void load_matrices_transposed(uint32_t * r, const void * row) {
    emu::ldmatrix_x4(r, row, true);
}
inline void copy_async(void * shared, const void * global) {
    emu::start_copy16(shared, global);
}
inline void commit_copies() {
    emu::commit_copies();
}
template <int kLeft>
void wait_for_copies() {
    emu::wait_for_copies(kLeft);
}

#endif

}  // namespace ql::cuda
