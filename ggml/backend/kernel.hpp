// What a backend computes with: one row for each operator of ops.def.
//
// A row is a kernel, or missing("why"). `accepts` lives in the row beside `launch`, so what is promised and what runs
// cannot disagree; a forgotten row is a link error that names the operator.
#pragma once
#include <cstddef>
#include <cstdint>

#include "ggml/ir/node.hpp"
#include "ggml/ops/op.hpp"
#include "ql/status.hpp"

namespace ql {

class DeviceImpl;

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

}  // namespace ql
