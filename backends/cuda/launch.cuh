// Launching a kernel, for both compilers: nvcc's <<<>>>, or the emulation.
#pragma once
#include <type_traits>

#include "backends/cuda/kernel.cuh"

namespace ql::cuda {

/// `name` stands in messages. Dynamic shared memory beyond 48 KiB is asked for.
template <typename... P>
cudaError_t start(const char * name, void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared,
                  cudaStream_t stream, std::type_identity_t<P>... arguments) {
    if (shared > size_t{48} << 10) {
        const cudaError_t refused =
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
        if (refused != cudaSuccess) return refused;
    }
    (void)cudaGetLastError();  // it keeps an older call's error, which that call has returned
#ifdef __CUDACC__
    (void)name;
    kernel<<<blocks, threads, shared, stream>>>(arguments...);
#else
    emu::launch_kernel(name, kernel, blocks, threads, shared, stream, arguments...);
#endif
    return cudaGetLastError();
}

}  // namespace ql::cuda
