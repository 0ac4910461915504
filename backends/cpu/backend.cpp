// The CPU backend: opening, memory, and running steps one after the other, each split over the pool by its kernel. Its
// queues are the calling thread.
#include <hwy/highway.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <algorithm>
#include <system_error>

#include "backends/cpu/compare.hpp"
#include "backends/cpu/device.hpp"
#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/targets.hpp"
#include "common/threads.hpp"
#include "ggml/core/os/os.hpp"
#include "ql/os.h"

namespace ql::cpu {
namespace {

const Kernel * const kTable[] = {
#define QL_OP(name) &kernel::name,
#include "ggml/ops/ops.def"
};

class CpuExecutable : public Executable {
  public:
    explicit CpuExecutable(std::span<Step> steps) : steps(steps) {}
    const std::span<Step> steps;
};

Status too_many_threads(int threads, const std::system_error & why) {
    return error(QL_NO_MEMORY,
                 "%d threads: the system does not start so many (%s); limits on processes (ulimit -u) or on memory "
                 "(ulimit -v) may be why; ask for fewer (-t, or QL_THREADS)",
                 threads, why.code().message().c_str());
}

Status enumerate(std::vector<FoundDevice> & devices) {
    devices.push_back({chip_name(), ql_os_memory()});
    return {};
}

/// Also beside products of int8, which are coarser than it.
bool computes_in_bf16(ql_compute compute, Isa isa) {
    return compute == QL_COMPUTE_BF16 ||
           ((compute == QL_COMPUTE_AUTO || compute == QL_COMPUTE_INT8) && bf16_is_fast(isa));
}

/// Of 16 bits by choice where they are faster than f32 and products of bf16 are not: they are finer than those. On ARM no
/// kind has been measured.
const Coding * coding_of(ql_compute compute, Isa isa) {
    if (compute == QL_COMPUTE_INT8) return &kInt8;
    if (compute == QL_COMPUTE_INT16) return &kInt16;
    return compute == QL_COMPUTE_AUTO && !bf16_is_fast(isa) && isa != Isa::neon && vnni_kernels(isa) ? &kInt16
                                                                                                     : nullptr;
}

Status open(const ql_device_options & options, size_t, std::unique_ptr<DeviceImpl> & device) {
    QL_ASSIGN(const Isa isa, choose_isa());
    QL_ASSIGN(const int threads, choose_threads(options.threads));
    if (options.compute == QL_COMPUTE_BF16 && !bf16_kernels(isa))
        return error(QL_UNSUPPORTED, "compute bf16: %s kernels have no bf16 product; use auto or f32", isa_name(isa));
    const Coding * coding = coding_of(options.compute, isa);
    if (coding && isa == Isa::scalar)
        return error(QL_UNSUPPORTED, "compute %s: the scalar kernels compute in f32 alone; use auto or f32",
                     coding->name);
    limit_targets(isa);
    const char * errors = std::getenv("QL_CPU_ERRORS");  // by ql-bench error
    try {
        if (errors && options.compute == QL_COMPUTE_F32 && isa != Isa::scalar)
            device = comparing_device(isa, threads, errors);
        else
            device = std::make_unique<CpuDevice>(isa, threads, computes_in_bf16(options.compute, isa), coding);
    } catch (const std::system_error & e) {
        return too_many_threads(threads, e);
    }
    return {};
}

}  // namespace

Caps CpuDevice::caps() const {
    return {.isa = isa_name(isa),
            .product = coding ? coding->name
                       : bf16 ? isa_name(isa)
                              : "f32",
            .chip = chip_name(),
            .threads = pool.threads(),
            .bf16 = bf16 != nullptr,
            .integer_bits = !coding            ? 0
                            : coding == &kInt8 ? 8
                                               : 16,
            .host_memory = true};
}

Result<void *> CpuDevice::allocate(MemoryKind, size_t bytes) {
    return os::allocate_pages(std::max<size_t>(bytes, 1));
}

void CpuDevice::release(MemoryKind, void * data, size_t bytes) {
    os::release_pages(data, std::max<size_t>(bytes, 1));
}

Result<std::unique_ptr<Executable>> CpuDevice::compile(std::span<Step> steps) {
    return std::unique_ptr<Executable>(new CpuExecutable(steps));
}

Status CpuDevice::launch(const Step & step) {
    if (!step.kernel) return copy(step.queue, step.copy);
    const Launch launch{*step.node, step.src.data(), step.out.data(), step.scratch, *this};
    return isa == Isa::scalar ? launch_reference(launch) : step.kernel->launch(launch);
}

Status CpuDevice::launch_timed(Step & step) {
    const auto start = std::chrono::steady_clock::now();
    QL_TRY(launch(step));
    step.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ++step.runs;
    return {};
}

Status CpuDevice::run(Executable & executable, bool profile) {
    for (Step & step : static_cast<CpuExecutable &>(executable).steps)
        QL_TRY(profile ? launch_timed(step) : launch(step));
    return {};
}

Status CpuDevice::copy(Queue, const Copy & copy) {
    std::memcpy(copy.to, copy.from, copy.bytes);
    return {};
}

// Work is done when the call that starts it returns, so there is nothing to wait for.
Event CpuDevice::now(Queue queue) {
    return {this, queue, 0};
}
Status CpuDevice::hold(Queue, const Event &) {
    return {};
}
Status CpuDevice::finish(const Event &) {
    return {};
}

Status launch_reference(const Launch & l) {
    l.node.def->reference(RefArgs<float>{l.node, l.src, l.out});
    return {};
}

extern const Backend kCpuBackend;
const Backend kCpuBackend = {"cpu", kBackendVersion, enumerate, open, kTable};

}  // namespace ql::cpu
