// "apart": a backend for tests. It computes with the CPU's kernels in a memory of its own, which is closed to the host,
// and lets allocations, copies and runs fail on request. What an engine gets wrong about a device that is not the host
// - an address that crosses over, an upload that is missing, an error that is dropped - ends here in a message or a
// fault at the very place.
#include <algorithm>
#include <array>
#include <cstring>

#include "backends/apart/faults.hpp"
#include "backends/apart/memory.hpp"
#include "backends/cpu/device.hpp"

namespace ql {
namespace cpu {
extern const Backend kCpuBackend;
}
namespace apart {
namespace {

class ApartDevice : public cpu::CpuDevice {
  public:
    ApartDevice(const cpu::CpuDevice & like, Faults faults)
        : CpuDevice(like.isa, like.pool.threads(), like.bf16), faults(faults) {}

    Memory memory;
    Faults faults;
};

ApartDevice & apart_of(DeviceImpl & device) {
    return static_cast<ApartDevice &>(static_cast<cpu::CpuDevice &>(device));
}

Status open(const ql_device_options & options, DeviceImpl ** device) {
    QL_ASSIGN(const Faults faults, Faults::from_environment());
    DeviceImpl * like = nullptr;
    QL_TRY(cpu::kCpuBackend.open(options, &like));
    *device = new ApartDevice(cpu::cpu_of(*like), faults);
    cpu::kCpuBackend.close(like);
    return {};
}

void close(DeviceImpl * device) {
    delete device;
}

Caps caps(const DeviceImpl & device) {
    return cpu::kCpuBackend.caps(device);
}

Status alloc(DeviceImpl & device, size_t bytes, void ** data) {
    QL_TRY(apart_of(device).faults.before_allocation());
    QL_ASSIGN(*data, apart_of(device).memory.allocate(bytes));
    return {};
}

void release(DeviceImpl & device, void * data, size_t) {
    apart_of(device).memory.release(data);
}

Status check_owned(ApartDevice & device, const void * data, size_t bytes, const char * what) {
    return bytes == 0 || device.memory.owns(data, bytes)
               ? Status()
               : error(QL_INTERNAL, "apart: %s is not in the device's memory", what);
}

/// `owned`: the end of the copy that is the device's.
Status copy(DeviceImpl & d, void * dst, const void * src, size_t bytes, const void * owned, const char * what) {
    ApartDevice & device = apart_of(d);
    QL_TRY(device.faults.before_copy());
    QL_TRY(check_owned(device, owned, bytes, what));
    const Memory::Open open(device.memory);
    std::memcpy(dst, src, bytes);
    return {};
}

Status upload(DeviceImpl & device, void * dst, const void * src, size_t bytes) {
    return copy(device, dst, src, bytes, dst, "the target of an upload");
}

Status download(DeviceImpl & device, void * dst, const void * src, size_t bytes) {
    return copy(device, dst, src, bytes, src, "the source of a download");
}

Status check_step(ApartDevice & device, const Step & step) {
    const Node & n = *step.node;
    for (size_t i = 0; i < step.src.size(); ++i)
        if (n.src[i]) QL_TRY(check_owned(device, step.src[i], n.src[i]->bytes(), describe(*n.src[i]).c_str()));
    for (size_t i = 0; i < step.out.size(); ++i)
        QL_TRY(check_owned(device, step.out[i], n.out[i]->bytes(), describe(*n.out[i]).c_str()));
    return step.scratch ? check_owned(device, step.scratch, 1, "scratch") : Status();
}

Status compile(DeviceImpl & device, std::span<Step> steps, Executable ** executable) {
    for (const Step & step : steps) QL_TRY(check_step(apart_of(device), step));
    return cpu::kCpuBackend.compile(device, steps, executable);
}

Status run(DeviceImpl & d, Executable & executable, bool profile) {
    ApartDevice & device = apart_of(d);
    QL_TRY(device.faults.before_run());
    const Memory::Open open(device.memory);
    return cpu::kCpuBackend.run(d, executable, profile);
}

Status accepts_rope(const Node &, const DeviceImpl & device) {
    const auto & apart = static_cast<const ApartDevice &>(cpu::cpu_of(device));
    return apart.faults.without_rope() ? error(QL_UNSUPPORTED, "rope: apart has no kernel for it") : Status();
}

/// The CPU's rows, one of which may be refused.
const Kernel * const * kernels() {
    static Kernel rope = cpu::kernel::rope;
    static const std::array<const Kernel *, kOpCount> table = [] {
        std::array<const Kernel *, kOpCount> rows{};
        std::copy_n(cpu::kCpuBackend.kernels, kOpCount, rows.begin());
        rope.accepts = accepts_rope;
        rows[static_cast<size_t>(Op::rope)] = &rope;
        return rows;
    }();
    return table.data();
}

Status wait(DeviceImpl &) {
    return {};
}

void discard(DeviceImpl & device, Executable * executable) {
    cpu::kCpuBackend.discard(device, executable);
}

}  // namespace
}  // namespace apart
}  // namespace ql

extern "C" __attribute__((visibility("default"))) const ql::Backend * ql_backend_entry() {
    using namespace ql::apart;
    static const ql::Backend backend = {
        "apart", ql::kBackendVersion, open, close, caps, alloc, release, upload, download, compile, run, wait,
        discard, kernels(),           false};
    return &backend;
}
