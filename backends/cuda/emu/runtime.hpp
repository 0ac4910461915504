// The part of CUDA's runtime API that the backend uses, under its names and with its promises: work on a stream is done
// in order, streams know nothing of each other except through events, and nothing is done before it must be. The order
// among streams is chosen by a seed. There is no thread: work is done while the host calls, so the same seed gives the
// same run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>

#include "backends/cuda/emu/machine.hpp"
#include "backends/cuda/emu/types.hpp"

enum cudaError_t {  // numbers as in CUDA
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorECCUncorrectable = 214,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorIllegalState = 401,
    cudaErrorNotReady = 600,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchOutOfResources = 701,
    cudaErrorLaunchFailure = 719,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureUnjoined = 904,
    cudaErrorStreamCaptureIsolation = 905,
    cudaErrorUnknown = 999,
};
enum cudaMemcpyKind { cudaMemcpyDefault = 4 };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };

struct EmuStream;
struct EmuEvent;
struct EmuGraph;
struct EmuGraphExec;
using cudaStream_t = EmuStream *;
using cudaEvent_t = EmuEvent *;
using cudaGraph_t = EmuGraph *;
using cudaGraphExec_t = EmuGraphExec *;
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem, sharedMemPerBlockOptin;
    int major, minor, multiProcessorCount;
};

const char * cudaGetErrorString(cudaError_t error);
const char * cudaGetErrorName(cudaError_t error);
/// The last error that a call of this thread returned, or a launch met; it is then forgotten, unless it is the context's.
cudaError_t cudaGetLastError();
cudaError_t cudaDriverGetVersion(int * version);
cudaError_t cudaRuntimeGetVersion(int * version);
cudaError_t cudaGetDeviceCount(int * count);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp * properties, int device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaMemGetInfo(size_t * free, size_t * total);
cudaError_t cudaMalloc(void ** address, size_t bytes);
cudaError_t cudaFree(void * address);
cudaError_t cudaMallocHost(void ** address, size_t bytes);
cudaError_t cudaFreeHost(void * address);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t * stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t * event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaMemcpyAsync(void * to, const void * from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaMemsetAsync(void * to, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t * graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t * exec, cudaGraph_t graph, unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);

namespace ql::cuda::emu {

/// How often work was handed to a card: kernels, copies, whole graphs. Captured ones count when they are captured.
struct Calls {
    uint64_t launches = 0, copies = 0, graphs = 0;
};
Calls calls();

/// Reads $QL_CUDA_EMU; empty, or what of it is not understood. Counts of faults and the seed begin again.
std::string reset();
/// What was wrong with the last kernel that failed, in words.
std::string last_report();

/// Puts a launch on a stream. `kernel` tells kernels apart for allow_shared. An error is told by cudaGetLastError.
void launch(const void * kernel, const char * name, void (*call)(const void *), const void * arguments,
            size_t arguments_bytes, dim3 blocks, dim3 threads, size_t shared, cudaStream_t stream);
cudaError_t allow_shared(const void * kernel, size_t bytes);

template <typename... P>
struct Call {
    void (*kernel)(P...);
    std::tuple<P...> arguments;
};
template <typename... P>
__attribute__((no_sanitize_thread)) void call_kernel(const void * packed) {
    const auto & call = *static_cast<const Call<P...> *>(packed);
    std::apply(call.kernel, call.arguments);
}

template <typename... P>
void launch_kernel(const char * name, void (*kernel)(P...), dim3 blocks, dim3 threads, size_t shared,
                   cudaStream_t stream, std::type_identity_t<P>... arguments) {
    static_assert((std::is_trivially_copyable_v<P> && ...), "a kernel's arguments are copied byte by byte");
    const Call<P...> call{kernel, {arguments...}};
    launch(reinterpret_cast<const void *>(kernel), name, call_kernel<P...>, &call, sizeof(call), blocks, threads,
           shared, stream);
}

}  // namespace ql::cuda::emu

template <typename... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute, int value) {
    return ql::cuda::emu::allow_shared(reinterpret_cast<const void *>(kernel), static_cast<size_t>(value));
}
