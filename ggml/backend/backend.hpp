// The backend interface: ten functions and a table of kernels, one row for each operator of ops.def.
//
// A row is a kernel, or missing("why"). `accepts` lives in the row beside `launch`, so what is promised and what runs
// cannot disagree; a forgotten row is a link error that names the operator.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "ggml/ir/node.hpp"
#include "ggml/ops/op.hpp"
#include "ql/backend.h"
#include "ql/status.hpp"

namespace ql {

/// A backend's own device; each backend derives its own.
class DeviceImpl {
  public:
    virtual ~DeviceImpl() = default;
};

/// A node with its addresses on the device, ready to launch.
struct Launch {
    const Node & node;
    const void * const * src;  // null for absent optional sources
    void * const * out;
    std::byte * scratch;  // Kernel::scratch bytes, aligned to 64
    DeviceImpl & device;

    const Operand & in(int i) const { return *node.src[static_cast<size_t>(i)]; }
    bool has(int i) const { return static_cast<size_t>(i) < node.src.size() && node.src[static_cast<size_t>(i)]; }
    const float * x(int i) const { return static_cast<const float *>(src[i]); }
    const int32_t * ids(int i) const { return static_cast<const int32_t *>(src[i]); }
    float * y(int i) const { return static_cast<float *>(out[i]); }
    template <typename P>
    P params() const {
        return node.params.as<P>();
    }
};

/// A kernel's row. accepts null: takes every node that the shape rule lets pass. scratch null: none.
struct Kernel {
    Status (*launch)(const Launch &) = nullptr;
    size_t (*scratch)(const Node &, const DeviceImpl &) = nullptr;
    Status (*accepts)(const Node &, const DeviceImpl &) = nullptr;
    const char * missing = nullptr;
    /// Whether the kernel reads source i (writes result i) as bf16 too, where the planner would like that. Null: none.
    bool (*reads_bf16)(const Node &, size_t source) = nullptr;
    bool (*writes_bf16)(const Node &, size_t result) = nullptr;
};
constexpr Kernel missing(const char * why) {
    return {nullptr, nullptr, nullptr, why};
}

/// What a backend says of a device.
struct Caps {
    const char * isa = "";
    const char * product = "";
    const char * chip = "";
    int threads = 1;
    bool bf16 = false;
    size_t alignment = 64;
};

/// A planned node: indices are resolved to addresses.
struct Step {
    const Node * node = nullptr;
    const Kernel * kernel = nullptr;
    std::vector<const void *> src;
    std::vector<void *> out;
    std::byte * scratch = nullptr;
    double seconds = 0;
    int64_t runs = 0;
};

/// A backend's compiled form of a list of steps.
class Executable {
  public:
    virtual ~Executable() = default;
};

struct Backend {
    const char * name;
    int version;  // kBackendVersion of the headers it was built with
    Status (*open)(const ql_device_options &, DeviceImpl ** device);
    void (*close)(DeviceImpl * device);
    Caps (*caps)(const DeviceImpl & device);
    Status (*alloc)(DeviceImpl & device, size_t bytes, void ** data);  // zeroed, aligned to Caps::alignment
    void (*release)(DeviceImpl & device, void * data, size_t bytes);
    Status (*upload)(DeviceImpl & device, void * dst, const void * src, size_t bytes);
    Status (*download)(DeviceImpl & device, void * dst, const void * src, size_t bytes);
    Status (*compile)(DeviceImpl & device, std::span<Step> steps, Executable ** executable);  // steps outlive it
    Status (*run)(DeviceImpl & device, Executable & executable, bool profile);
    Status (*wait)(DeviceImpl & device);
    void (*discard)(DeviceImpl & device, Executable * executable);
    const Kernel * const * kernels;  // kOpCount rows
    bool host_memory;                // borrowed weights are used in place
};
inline constexpr int kBackendVersion = 1;

/// Name of the function that a backend's shared object exports: `const ql::Backend * ql_backend_entry()`.
using BackendEntry = const Backend * (*)();
inline constexpr const char * kBackendEntry = "ql_backend_entry";

/// The backends compiled into the library (backends/builtin.cpp).
std::span<const Backend * const> builtin_backends();

}  // namespace ql
