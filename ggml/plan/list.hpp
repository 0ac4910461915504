// A plan's own nodes and values: what its passes rewrite. The graph that they were made from stays as it is.
#pragma once
#include <deque>
#include <limits>
#include <map>
#include <span>
#include <unordered_map>
#include <vector>

#include "ggml/backend/device.hpp"
#include "ggml/graph/tensor.hpp"
#include "ggml/plan/layout.hpp"

namespace ql {

inline constexpr size_t kNoBuffer = std::numeric_limits<size_t>::max();

struct Value : Operand {
    Tensor * tensor = nullptr;  // what it stands for in the graph; null where a pass made it
    Device * device =
        nullptr;          // where its bytes are; null: not yet placed, or a frozen weight, which may be on several
    bool staged = false;  // its bytes are in host memory for copies from and to the device
    size_t buffer = kNoBuffer;  // which of the list's buffers holds it; none: a leaf, or a view

    /// For a value that owns its bytes, once it is placed.
    bool is_in_host_memory() const { return staged || device->caps.host_memory; }
    bool is_readable_by(const Device & reader) const {
        return reader.caps.host_memory ? is_in_host_memory() : &reader == device && !staged;
    }
};

/// A node whose operands are all values of one list.
struct PlanNode : Node {
    int place = 0;              // where in the model it belongs
    bool is_backward = false;   // of a backward pass
    Device * device = nullptr;  // that runs it; for a copy: the one whose own memory it reads or writes
    const char * moved = "";    // why that is not the device that the graph asks for
    const Kernel * kernel = nullptr;
    size_t scratch = kNoBuffer;

    Value * source(size_t i) const { return static_cast<Value *>(src[i]); }
    Value * result(size_t i) const { return static_cast<Value *>(out[i]); }
};

/// The value at the end of an alias chain: the one that owns the bytes.
inline const Value * root_of(const Operand * value) {
    return static_cast<const Value *>(value->root());
}

/// For a placed value that owns its bytes.
inline MemoryKind memory_kind(const Value & root) {
    if (root.staged) return MemoryKind::pinned;
    return root.device->caps.host_memory ? MemoryKind::host : MemoryKind::device;
}

/// The same bytes under another shape: nothing is written.
inline bool is_view(const Node & n) {
    return n.def->view;
}

/// Whether one of the nodes changes the bytes of one of these operands in place.
bool changes_in_place(std::span<PlanNode * const> nodes, std::span<Operand * const> operands);

/// Bytes copied between a device's own memory and the host's: what the plan itself does between kernels.
extern const OpDef kCopy;
inline bool is_copy(const Node & n) {
    return n.def == &kCopy;
}

class PlanList {
  public:
    struct Output {
        const Tensor * tensor;
        Value * value;
    };

    std::vector<PlanNode *> nodes;  // in the order of running
    std::vector<Output> outputs;
    std::vector<Buffer> buffers;

    PlanList() = default;
    PlanList(const PlanList &) = delete;
    PlanList & operator=(const PlanList &) = delete;

    /// The value of a tensor, made when it is first asked for.
    Value * value_of(Tensor * tensor);
    /// A node of the graph over the values of its tensors. It is not yet in `nodes`.
    PlanNode * node_of(const GraphNode & node);
    /// A node that a pass makes, over values of the list. The results get the aliases and the reuse that the
    /// operator's rule gives. It is not yet in `nodes`.
    /// `like`: the node whose place it takes.
    PlanNode * make_node(const PlanNode & like, const OpDef & def, Params params, std::vector<Operand *> src,
                         std::vector<Operand *> out);
    /// A frozen weight as one device has it.
    Value * weight_on(const Value & weight, Device & device);
    /// A copy of a value, which stands for no tensor.
    Value * make_value(const Value & like);
    /// From now on nodes, views and outputs read `now` where they read `old`.
    void replace(const Value * old, Value * now);

    /// The leaves that nodes and outputs read, each once, in the order of their first use.
    std::vector<const Value *> leaves() const;
    std::deque<Value> & values() { return values_; }
    const std::deque<Value> & values() const { return values_; }

  private:
    std::deque<Value> values_;
    std::deque<PlanNode> owned_;
    std::unordered_map<const Tensor *, Value *> value_of_;
    std::map<std::pair<const Tensor *, const Device *>, Value *> weight_on_;
};

}  // namespace ql
