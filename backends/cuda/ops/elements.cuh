// Operators of single elements: a function of an element's number, run for all of them.
//
// A block of 256 threads takes 1024 elements, each thread four that are a block's width apart, so that neighbours read
// neighbours. Each number is read and written once.
#pragma once
#include "backends/cuda/device.hpp"
#include "backends/cuda/launch.cuh"

namespace ql::cuda {

inline constexpr int kElementThreads = 256, kElementsEach = 4;

template <typename F>
__global__ void each_element(F f, int64_t n) {
    const int64_t first = static_cast<int64_t>(blockIdx.x) * (kElementThreads * kElementsEach) + threadIdx.x;
    for (int k = 0; k < kElementsEach; ++k) {
        const int64_t i = first + k * kElementThreads;
        if (i < n) f(i);
    }
}

inline unsigned blocks_of(int64_t n, int64_t each) {
    return static_cast<unsigned>((n + each - 1) / each);
}
inline const char * name_of(const Launch & l) {
    return l.node.def->name.data();
}

/// A status for a launch that is named after its operator.
inline Status launched(const Launch & l, cudaError_t error) {
    return error == cudaSuccess ? Status() : check(error, name_of(l));
}

/// f(i) for all i below n.
template <typename F>
Status for_each(const Launch & l, const F & f, int64_t n) {
    if (n == 0) return {};
    return launched(l, start(name_of(l), each_element<F>, blocks_of(n, kElementThreads * kElementsEach),
                             kElementThreads, 0, device_of(l).stream(), f, n));
}

/// A launch of a kernel of any shape.
template <typename... P>
Status run(const Launch & l, void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared,
           std::type_identity_t<P>... arguments) {
    return launched(l, start(name_of(l), kernel, blocks, threads, shared, device_of(l).stream(), arguments...));
}

/// Number i of a tensor of f32, f16 or bf16.
struct Numbers {
    const void * data;
    ql_dtype dtype;
    __device__ float operator[](int64_t i) const {
        if (dtype == QL_F32) return static_cast<const float *>(data)[i];
        const uint16_t h = static_cast<const uint16_t *>(data)[i];
        return dtype == QL_F16 ? f16_number(h) : bf16_number(h);
    }
};
inline Numbers numbers(const Launch & l, int i) {
    return {l.src[i], l.in(i).dtype};
}

/// From a number to the next along each dimension, in elements; 0 where the size is 1 and the number is repeated.
struct Steps {
    int64_t of[4];
};
inline Steps repeating_steps(const Shape & shape) {
    Steps steps{};
    int64_t step = 1;
    for (int d = 0; d < 4; step *= shape[d], ++d) steps.of[d] = shape[d] == 1 ? 0 : step;
    return steps;
}

/// The sum over the lanes of a warp, in an order that does not change.
template <typename T>
__device__ T warp_sum(T x) {
    for (int by = 16; by > 0; by /= 2) x += __shfl_xor_sync(0xffffffffu, x, by);
    return x;
}
__device__ inline float warp_max(float x) {
    for (int by = 16; by > 0; by /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, by));
    return x;
}

/// Operators of rows: a warp takes a row, a block four.
inline constexpr int kRowWarps = 4;
template <typename F>
__global__ void each_row(F f, int64_t n_rows) {
    const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowWarps + threadIdx.y;
    if (row < n_rows) f(row, static_cast<int>(threadIdx.x));
}
/// f(row, lane) for all rows, by all lanes of a warp together.
template <typename F>
Status for_each_row(const Launch & l, const F & f, int64_t n_rows) {
    if (n_rows == 0) return {};
    return run(l, each_row<F>, blocks_of(n_rows, kRowWarps), dim3(32, kRowWarps), 0, f, n_rows);
}

}  // namespace ql::cuda
