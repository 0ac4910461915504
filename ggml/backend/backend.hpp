// The backend interface: what there is (enumerate), a device (ten functions), and a table of kernels.
//
// Work on a device is started and runs by itself: `copy` and `run` return at once. Whoever needs the results waits
// for an event: the host in `finish`, a queue in `hold`. An error on the way is reported by the next `finish`, once;
// work started between the two is then dropped. Addresses are unique in the process, over all devices.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ggml/backend/kernel.hpp"
#include "ggml/backend/queue.hpp"
#include "ql/backend.h"
#include "ql/status.hpp"

namespace ql {

/// What a device says of itself.
struct Caps {
    const char * isa = "";      // what its kernels are made for: an instruction set, a compute capability
    const char * product = "";  // the path of quantised products: "f32", "avx512_bf16", "amx", "int16"
    const char * chip = "";     // the maker's name
    int threads = 1;            // that share a kernel: processors of a CPU, multiprocessors of a GPU
    bool bf16 = false;          // products round their operands to bf16
    int integer_bits = 0;       // of what frozen weights and their operands are rounded to: 8 or 16; 0: not at all
    bool host_memory = false;   // its memory is the host's: weights and results are read where they are
    bool copy_queue = false;    // copies run beside kernels; else both queues are one
    size_t alignment = 64;      // of every address that is handed to a kernel
};

/// A device that a backend can open.
struct FoundDevice {
    std::string chip;     // the maker's name
    uint64_t memory = 0;  // bytes of the memory that it computes in; 0: unknown
};

/// A step of a list that a device compiles: a kernel, or a copy where `kernel` is null.
struct Step {
    const Node * node = nullptr;
    const Kernel * kernel = nullptr;
    std::vector<const void *> src;
    std::vector<void *> out;
    std::byte * scratch = nullptr;
    Copy copy;
    Queue queue = Queue::compute;
    std::vector<size_t> after;  // steps of the list, all earlier and on the other queue, that must be done first
    double seconds = 0;         // grows with each profiled run; read it only when a run has finished
    int64_t runs = 0;
};

/// A device's compiled form of a list of steps: a loop, a graph of launches that was captured.
class Executable {
  public:
    virtual ~Executable() = default;
};

/// An open device; destroying it closes it. A backend derives its own.
class DeviceImpl {
  public:
    virtual ~DeviceImpl() = default;
    virtual Caps caps() const = 0;

    /// Zeros, aligned to Caps::alignment. `memory`: device or pinned.
    virtual Result<void *> allocate(MemoryKind memory, size_t bytes) = 0;
    virtual void release(MemoryKind memory, void * data, size_t bytes) = 0;

    /// The steps outlive the executable, which is destroyed only when none of its work is left.
    virtual Result<std::unique_ptr<Executable>> compile(std::span<Step> steps) = 0;
    /// Starts a list on the compute queue; its copies run on the queue of their step, from the moment at which the
    /// compute queue comes to the list. The compute queue goes on when all steps are done.
    virtual Status run(Executable & executable, bool profile) = 0;
    virtual Status copy(Queue queue, const Copy & copy) = 0;

    /// The moment at which everything that was started on a queue so far is done.
    virtual Event now(Queue queue) = 0;
    /// Makes what is started on the queue later wait for an event of this device, or of another one of its backend.
    virtual Status hold(Queue queue, const Event & event) = 0;
    /// Returns when an event of this device is reached, or its queue has stopped with an error.
    virtual Status finish(const Event & event) = 0;
};

struct Backend {
    const char * name;
    int version;  // kBackendVersion of the headers that it was built with
    /// The devices there are, in the order of their numbers: "cuda:0", "cuda:1" ... errors: why they cannot be asked
    Status (*enumerate)(std::vector<FoundDevice> & devices);
    Status (*open)(const ql_device_options & options, size_t number, std::unique_ptr<DeviceImpl> & device);
    const Kernel * const * kernels;  // kOpCount rows
};
inline constexpr int kBackendVersion = 2;

/// Name of the function that a backend's shared object exports: `const ql::Backend * ql_backend_entry()`.
using BackendEntry = const Backend * (*)();
inline constexpr const char * kBackendEntry = "ql_backend_entry";

/// The backends compiled into the library (backends/builtin.cpp).
std::span<const Backend * const> builtin_backends();

}  // namespace ql
