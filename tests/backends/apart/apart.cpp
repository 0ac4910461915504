// "apart": a backend for tests. It computes with the CPU's kernels in a memory of its own, which is closed to the host,
// on two queues that keep only the order they are told to, and lets allocations, copies and runs fail on request. What
// an engine gets wrong about a device that is not the host - an address that crosses over, an upload or a wait that is
// missing, an error that is dropped - shows here as a message, a fault at the very place, or a wrong result that the
// same seed gives again.
#include <algorithm>
#include <array>
#include <cstring>

#include "backends/apart/faults.hpp"
#include "backends/apart/memory.hpp"
#include "backends/apart/queues.hpp"
#include "backends/cpu/device.hpp"

namespace ql {
namespace cpu {
extern const Backend kCpuBackend;
}
namespace apart {
namespace {

/// Steps with the addresses at which their bytes are.
class ApartExecutable : public Executable {
  public:
    explicit ApartExecutable(std::span<Step> steps) : asked(steps), found(steps.begin(), steps.end()) {}

    const std::span<Step> asked;
    std::vector<Step> found;
};

class ApartDevice : public cpu::CpuDevice {
  public:
    ApartDevice(const cpu::CpuDevice & like, Faults faults)
        : CpuDevice(like.isa, like.pool.threads(), like.bf16, like.coding), faults(faults), queues(*this, faults) {}

    Caps caps() const override {
        Caps caps = CpuDevice::caps();
        caps.host_memory = false;
        caps.copy_queue = true;
        return caps;
    }
    Result<void *> allocate(MemoryKind memory, size_t bytes) override {
        QL_TRY(faults.before_allocation());
        return memory == MemoryKind::device ? memory_.allocate(bytes) : CpuDevice::allocate(memory, bytes);
    }
    void release(MemoryKind memory, void * data, size_t bytes) override {
        memory == MemoryKind::device ? memory_.release(data) : CpuDevice::release(memory, data, bytes);
    }

    Result<std::unique_ptr<Executable>> compile(std::span<Step> steps) override {
        auto executable = std::make_unique<ApartExecutable>(steps);
        for (Step & step : executable->found) QL_TRY(step.kernel ? find_operands(step) : find_ends(step.copy));
        return std::unique_ptr<Executable>(std::move(executable));
    }

    Status launch(const Step & step) override {
        return step.kernel ? CpuDevice::launch(step) : copy_checked(step.copy);
    }
    Status run(Executable & e, bool profile) override {
        const std::lock_guard lock(working);
        auto & executable = static_cast<ApartExecutable &>(e);
        const Event begun = queues.start(Queue::compute, [this] { return faults.before_run(); });
        std::vector<Event> done;
        for (size_t i = 0; i < executable.found.size(); ++i) {
            Step &step = executable.found[i], &asked = executable.asked[i];
            std::vector<Event> after = {begun};
            for (const size_t earlier : step.after) after.push_back(done[earlier]);
            const auto work = [this, &step, &asked, profile] {
                const double before = step.seconds;
                QL_TRY(profile ? launch_timed(step) : launch(step));
                asked.seconds += step.seconds - before;
                asked.runs += profile;
                return Status();
            };
            done.push_back(queues.start(step.queue, work, after));
        }
        queues.start(Queue::compute, [] { return Status(); }, {queues.now(Queue::copy)});
        return {};
    }

    Status copy(Queue queue, const Copy & asked) override {
        const std::lock_guard lock(working);
        Copy copy = asked;
        QL_TRY(find_ends(copy));
        queues.start(queue, [this, copy] { return copy_checked(copy); });
        return {};
    }
    Event now(Queue queue) override {
        const std::lock_guard lock(working);
        return queues.now(queue);
    }
    Status hold(Queue queue, const Event & event) override {
        const std::lock_guard lock(working);
        queues.start(queue, [] { return Status(); }, {event});
        return {};
    }
    Status finish(const Event & event) override {
        const std::lock_guard lock(working);
        return queues.finish(event);
    }

    Faults faults;
    Queues queues;

  private:
    Status copy_checked(const Copy & copy) {
        QL_TRY(faults.before_copy());
        return CpuDevice::copy(Queue::copy, copy);
    }
    Status find_operands(Step & step) const {
        const Node & n = *step.node;
        for (size_t i = 0; i < step.src.size(); ++i) {
            if (!n.src[i]) continue;
            QL_ASSIGN(step.src[i], memory_.find(step.src[i], n.src[i]->bytes(), describe(*n.src[i]).c_str()));
        }
        for (size_t i = 0; i < step.out.size(); ++i) {
            QL_ASSIGN(step.out[i], memory_.find(step.out[i], n.out[i]->bytes(), describe(*n.out[i]).c_str()));
        }
        if (step.scratch) {
            QL_ASSIGN(step.scratch, memory_.find(step.scratch, 1, "scratch"));
        }
        return {};
    }
    Status find_ends(Copy & copy) const {
        if (copy.to_memory == MemoryKind::device) {
            QL_ASSIGN(copy.to, memory_.find(copy.to, copy.bytes, "the target of a copy"));
        }
        if (copy.from_memory == MemoryKind::device) {
            QL_ASSIGN(copy.from, memory_.find(copy.from, copy.bytes, "the source of a copy"));
        }
        return {};
    }

    static std::recursive_mutex working;  // one for all devices: each may do another's work
    Memory memory_;
};
std::recursive_mutex ApartDevice::working;

/// As many devices as a plan over several needs.
Status enumerate(std::vector<FoundDevice> & devices) {
    devices.assign(2, {"a part of this processor", uint64_t{1} << 30});
    return {};
}

Status open(const ql_device_options & options, size_t number, std::unique_ptr<DeviceImpl> & device) {
    QL_ASSIGN(const Faults faults, Faults::from_environment());
    if (static_cast<long>(number) < faults.refused()) return error(QL_UNSUPPORTED, "apart: the device is too old");
    std::unique_ptr<DeviceImpl> like;
    QL_TRY(cpu::kCpuBackend.open(options, 0, like));
    device = std::make_unique<ApartDevice>(cpu::cpu_of(*like), faults);
    return {};
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

}  // namespace

Queues & queues_of(DeviceImpl & device) {
    return static_cast<ApartDevice &>(static_cast<cpu::CpuDevice &>(device)).queues;
}

}  // namespace apart
}  // namespace ql

extern "C" __attribute__((visibility("default"))) const ql::Backend * ql_backend_entry() {
    using namespace ql::apart;
    static const ql::Backend backend = {"apart", ql::kBackendVersion, enumerate, open, kernels()};
    return &backend;
}
