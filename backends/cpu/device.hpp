// The CPU as a device: its thread pool, its instruction set and the path of its products.
#pragma once
#include "backends/cpu/bf16_kernels.hpp"
#include "backends/cpu/isa.hpp"
#include "backends/cpu/pool.hpp"
#include "ggml/backend/backend.hpp"

namespace ql::cpu {

struct Coding;

class CpuDevice : public DeviceImpl {
  public:
    /// With a coding, products with frozen weights are of integers; what else is multiplied is in bf16 or in f32.
    CpuDevice(Isa isa, int threads, bool bf16, const Coding * coding = nullptr)
        : isa(isa), bf16(bf16 ? bf16_kernels(isa) : nullptr), coding(coding), pool(threads) {}

    Caps caps() const override;
    Result<void *> allocate(MemoryKind memory, size_t bytes) override;
    void release(MemoryKind memory, void * data, size_t bytes) override;
    Result<std::unique_ptr<Executable>> compile(std::span<Step> steps) override;
    Status run(Executable & executable, bool profile) override;
    Status copy(Queue queue, const Copy & copy) override;
    Event now(Queue queue) override;
    Status hold(Queue queue, const Event & event) override;
    Status finish(const Event & event) override;

    /// Does a step before it returns.
    virtual Status launch(const Step & step);
    /// Launches a step, and says in it how long that took.
    Status launch_timed(Step & step);

    const Isa isa;
    const Bf16Kernels * const bf16;  // where operands of products are rounded to bf16; null where none are
    const Coding * const coding;     // how products with frozen weights are rounded to integers; null where not
    Pool pool;
};

inline CpuDevice & device_of(const Launch & l) {
    return static_cast<CpuDevice &>(l.device);
}
inline const CpuDevice & cpu_of(const DeviceImpl & d) {
    return static_cast<const CpuDevice &>(d);
}

/// Runs the operator's scalar reference: what $QL_ISA=scalar does for every operator.
Status launch_reference(const Launch & l);

// The rows of the table, one definition each in backends/cpu/ops/<op>.cpp.
namespace kernel {
#define QL_OP(name) extern const Kernel name;
#include "ggml/ops/ops.def"
}  // namespace kernel

}  // namespace ql::cpu
