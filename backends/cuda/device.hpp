// A card as a device: two streams for its two queues, events for their moments, and the rows of the kernel table.
#pragma once
#include <deque>
#include <mutex>

#include "backends/cuda/runtime.hpp"
#include "ggml/backend/backend.hpp"

namespace ql::cuda {

/// A status for what a call returned: ok, or "cuda: CALL: what is wrong". CUDA then forgets the error.
Status check(cudaError_t error, const char * call);

class CudaDevice : public DeviceImpl {
  public:
    /// Opens card `number`.
    static Status open(int number, bool bf16, std::unique_ptr<DeviceImpl> & device);
    ~CudaDevice() override;

    Caps caps() const override;
    Result<void *> allocate(MemoryKind memory, size_t bytes) override;
    void release(MemoryKind memory, void * data, size_t bytes) override;
    Result<std::unique_ptr<Executable>> compile(std::span<Step> steps) override;
    Status run(Executable & executable, bool profile) override;
    Status copy(Queue queue, const Copy & copy) override;
    Event now(Queue queue) override;
    Status hold(Queue queue, const Event & event) override;
    Status finish(const Event & event) override;

    /// Kernels go to the compute queue.
    cudaStream_t stream() const { return streams_[0]; }
    /// Products round their operands to bf16 and run on tensor cores; else all is f32.
    const bool bf16;

  private:
    CudaDevice(int number, bool bf16) : bf16(bf16), number_(number) {}
    CudaDevice(const CudaDevice &) = delete;
    CudaDevice & operator=(const CudaDevice &) = delete;

    /// What was started on a queue, and the events by which its moments are waited for.
    struct Line {
        uint64_t number = 0;
        std::deque<std::pair<uint64_t, cudaEvent_t>> moments;  // not known to be reached, in order
    };
    cudaStream_t stream_of(Queue queue) const { return streams_[static_cast<size_t>(queue)]; }
    Line & line_of(Queue queue) { return lines_[static_cast<size_t>(queue)]; }
    Status select() const { return check(cudaSetDevice(number_), "cudaSetDevice"); }
    Status start_copy(Queue queue, const Copy & copy);
    Status start_step(const Step & step);
    Status time_step(Step & step);
    Status start_steps(Executable & executable, bool profile);
    Status capture(Executable & executable);
    Status launch_graph(Executable & executable);
    Status start_run(Executable & executable, bool profile);
    Result<cudaEvent_t> new_event();
    void recycle(Line & line);
    /// Null: the moment is reached.
    cudaEvent_t find(const Event & event);

    const int number_;
    cudaDeviceProp properties_{};
    cudaStream_t streams_[2] = {};
    Line lines_[2];
    std::vector<cudaEvent_t> spare_;
    Status failed_;  // reported by the next finish
    std::recursive_mutex mutex_;
};

inline CudaDevice & device_of(const Launch & l) {
    return static_cast<CudaDevice &>(l.device);
}
inline const CudaDevice & cuda_of(const DeviceImpl & device) {
    return static_cast<const CudaDevice &>(device);
}

// The rows of the table, one definition each in backends/cuda/ops, or in missing.cpp with the reason.
namespace kernel {
#define QL_OP(name) extern const Kernel name;
#include "ggml/ops/ops.def"
}  // namespace kernel

}  // namespace ql::cuda
