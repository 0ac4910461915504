// What a kernel sees, for the host's compiler: CUDA's words for threads and blocks, and warp-wide functions. A kernel's
// shared memory comes from shared_memory<T>() (kernel.cuh); `__shared__` variables are not offered.
#pragma once
#include <cmath>
#include <cstring>

#include "backends/cuda/emu/machine.hpp"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __constant__ const

#define threadIdx (::ql::cuda::emu::thread_index())
#define blockIdx (::ql::cuda::emu::block_index())
#define blockDim (::ql::cuda::emu::block_size())
#define gridDim (::ql::cuda::emu::grid_size())

// What the emulation does between two steps of a kernel is none of the kernel's loads and stores.
#define QL_EMU_OUTSIDE __attribute__((no_sanitize_thread))

namespace ql::cuda::emu {

// Not inline: what these read is the emulation's, and is not checked.
uint3 thread_index();
dim3 block_index();
dim3 block_size();
dim3 grid_size();
int lane();
void * shared_data();
void pass_barrier();
void start_copy16(void * shared, const void * global);
void commit_copies();
void wait_for_copies(uint32_t groups_left);
void collect(const Collective & what, uint32_t mask, void * payload);

template <typename T>
struct Shuffle {
    T value, result;
    int from;  // lane
};

template <typename T>
QL_EMU_OUTSIDE void apply_shuffle(void * const * payloads, uint32_t mask) {
    for (unsigned l = 0; l < kWarp; ++l) {
        if (!payloads[l]) continue;
        auto & mine = *static_cast<Shuffle<T> *>(payloads[l]);
        if (!(mask >> mine.from & 1) || !payloads[mine.from])
            return machine().fail("shuffle: lane " + std::to_string(l) + " reads lane " + std::to_string(mine.from) +
                                  ", which takes no part in it");
        mine.result = static_cast<const Shuffle<T> *>(payloads[mine.from])->value;
    }
}

template <typename T>
QL_EMU_OUTSIDE T shuffle(uint32_t mask, T value, int from) {
    static constexpr Collective what = {"__shfl_sync", apply_shuffle<T>, false};
    Shuffle<T> mine{value, value, from};
    collect(what, mask, &mine);
    return mine.result;
}

void apply_ballot(void * const * payloads, uint32_t mask);
uint32_t ballot(uint32_t mask, bool vote);
void sync_warp(uint32_t mask);

/// D += A B, m16n8k16, in PTX's layout of fragments; A and B of bf16 or f16.
void mma_m16n8k16(float * d, const uint32_t * a, const uint32_t * b, bool f16);
/// Four 8x8 matrices of 16-bit numbers; lane i gives the address of row i % 8 of matrix i / 8.
void ldmatrix_x4(uint32_t * r, const void * row, bool transposed);

}  // namespace ql::cuda::emu

inline void __syncthreads() {
    ql::cuda::emu::pass_barrier();
}
inline void __syncwarp(uint32_t mask = ~0u) {
    ql::cuda::emu::sync_warp(mask);
}
template <typename T>
T __shfl_sync(uint32_t mask, T value, int from) {
    return ql::cuda::emu::shuffle(mask, value, from & 31);
}
template <typename T>
T __shfl_xor_sync(uint32_t mask, T value, int by) {
    return ql::cuda::emu::shuffle(mask, value, ql::cuda::emu::lane() ^ by);
}
template <typename T>
T __shfl_down_sync(uint32_t mask, T value, int by) {
    const int from = ql::cuda::emu::lane() + by;
    return ql::cuda::emu::shuffle(mask, value, from < 32 ? from : ql::cuda::emu::lane());
}
inline uint32_t __ballot_sync(uint32_t mask, int vote) {
    return ql::cuda::emu::ballot(mask, vote != 0);
}
