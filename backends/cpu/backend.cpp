// The CPU backend: opening, memory, and running steps one after the other, each split over the pool by its kernel.
#include <hwy/highway.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <algorithm>
#include <system_error>

#include "backends/cpu/device.hpp"
#include "backends/cpu/targets.hpp"
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
    std::span<Step> steps;
};

Result<int> choose_threads(int asked) {
    const char * forced = std::getenv("QL_THREADS");
    if (asked == 0 && forced && *forced) {
        char * end = nullptr;
        const long value = std::strtol(forced, &end, 10);
        if (*end || value < 1)
            return error(QL_INVALID_ARGUMENT, "QL_THREADS=%s: a number of at least 1 is needed", forced);
        asked = value > 1 << 20 ? 1 << 20 : static_cast<int>(value);
    }
    if (asked == 0) return ql_os_physical_cores();
    if (asked < 1 || asked > 1024) return error(QL_INVALID_ARGUMENT, "threads: 1 to 1024 are possible, got %d", asked);
    return asked;
}

Status too_many_threads(int threads, const std::system_error & why) {
    return error(QL_NO_MEMORY,
                 "%d threads: the system does not start so many (%s); limits on processes (ulimit -u) or on memory "
                 "(ulimit -v) may be why; ask for fewer (-t, or QL_THREADS)",
                 threads, why.code().message().c_str());
}

Status open(const ql_device_options & options, DeviceImpl ** device) {
    QL_ASSIGN(const Isa isa, choose_isa());
    QL_ASSIGN(const int threads, choose_threads(options.threads));
    if (options.compute != QL_COMPUTE_AUTO && options.compute != QL_COMPUTE_F32 && options.compute != QL_COMPUTE_BF16)
        return error(QL_INVALID_ARGUMENT, "compute: unknown kind %d", static_cast<int>(options.compute));
    if (options.compute == QL_COMPUTE_BF16 && !bf16_kernels(isa))
        return error(QL_UNSUPPORTED, "compute bf16: %s kernels have no bf16 product; use auto or f32", isa_name(isa));
    const bool bf16 = options.compute == QL_COMPUTE_BF16 || (options.compute == QL_COMPUTE_AUTO && bf16_is_fast(isa));
    limit_targets(isa);
    try {
        *device = new CpuDevice(isa, threads, bf16);
    } catch (const std::system_error & e) {
        return too_many_threads(threads, e);
    }
    return {};
}

void close(DeviceImpl * device) {
    delete device;
}

Caps caps(const DeviceImpl & d) {
    const CpuDevice & cpu = cpu_of(d);
    return {isa_name(cpu.isa),   cpu.bf16 ? isa_name(cpu.isa) : "f32",
            chip_name(),         cpu.pool.threads(),
            cpu.bf16 != nullptr, 64};
}

Status alloc(DeviceImpl &, size_t bytes, void ** data) {
    QL_ASSIGN(*data, os::allocate_pages(std::max<size_t>(bytes, 1)));
    return {};
}

void release(DeviceImpl &, void * data, size_t bytes) {
    os::release_pages(data, std::max<size_t>(bytes, 1));
}

Status copy(DeviceImpl &, void * dst, const void * src, size_t bytes) {
    std::memcpy(dst, src, bytes);
    return {};
}

Status compile(DeviceImpl &, std::span<Step> steps, Executable ** executable) {
    auto * program = new CpuExecutable;
    program->steps = steps;
    *executable = program;
    return {};
}

Status run(DeviceImpl & d, Executable & executable, bool profile) {
    using clock = std::chrono::steady_clock;
    const bool scalar = cpu_of(d).isa == Isa::scalar;
    for (Step & step : static_cast<CpuExecutable &>(executable).steps) {
        const Launch launch{*step.node, step.src.data(), step.out.data(), step.scratch, d};
        const auto start = profile ? clock::now() : clock::time_point();
        QL_TRY(scalar ? launch_reference(launch) : step.kernel->launch(launch));
        if (!profile) continue;
        step.seconds += std::chrono::duration<double>(clock::now() - start).count();
        ++step.runs;
    }
    return {};
}

Status wait(DeviceImpl &) {
    return {};
}
void discard(DeviceImpl &, Executable * executable) {
    delete executable;
}

}  // namespace

Status launch_reference(const Launch & l) {
    l.node.def->reference(RefArgs<float>{l.node, l.src, l.out});
    return {};
}

extern const Backend kCpuBackend;
const Backend kCpuBackend = {"cpu", kBackendVersion, open, close, caps,    alloc,  release, copy,
                             copy,  compile,         run,  wait,  discard, kTable, true};

}  // namespace ql::cpu
