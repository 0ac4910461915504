// Which device runs a node, and where values are.
#include <algorithm>
#include <string>

#include "ggml/plan/pass.hpp"

namespace ql {
namespace {

/// The device of the leaves and results that the node changes in place or views; null if that is open.
Result<Device *> bound_device(const PlanNode & n) {
    Device * device = nullptr;
    for (const Operand * t : n.out) {
        const Value & root = *root_of(t);
        if (!t->alias || !root.device) continue;
        if (device && root.device != device)
            return error(QL_INVALID_ARGUMENT, "plan: %s changes %s, which is on another device than the rest",
                         std::string(n.def->name).c_str(), describe(root).c_str());
        device = root.device;
    }
    return device;
}

class Placing {
  public:
    Placing(const PlanList & list, const PassInput & input) : devices_(input.devices) {
        for (const PlanNode * n : list.nodes) n_places_ = std::max(n_places_, static_cast<size_t>(n->place) + 1);
    }

    /// A leaf that no node reads.
    void settle_output(Value & v) { settle(v, devices_[0]); }

    Status operator()(PlanNode & n) {
        Device * asked = devices_[static_cast<size_t>(n.place) * devices_.size() / n_places_];
        for (size_t i = 0; i < n.src.size(); ++i) {
            if (!n.src[i]) continue;
            QL_TRY(check_home(*root_of(n.src[i])));
            settle(*n.source(i), nullptr);
        }
        QL_ASSIGN(Device * bound, bound_device(n));
        n.device = bound ? bound : asked;
        if (bound && bound != asked)
            n.moved = is_view(n) ? "it is a view of what is there" : "it changes what is there";
        if (const Status status = takes(*n.device, n); !status.ok() && !is_view(n)) {
            if (bound) return status;
            QL_TRY(fall_back(n, status));
        }
        for (size_t i = 0; i < n.src.size(); ++i)
            if (n.src[i]) settle(*n.source(i), n.device);
        for (size_t i = 0; i < n.out.size(); ++i) settle(*n.result(i), n.device);
        return {};
    }

  private:
    /// A leaf lives where an earlier plan put it, else on the device that uses it first; a frozen weight anywhere.
    static void settle(Value & v, Device * device) {
        if (v.kind == TensorKind::weight || v.device) return;
        v.device = v.alias                                   ? root_of(&v)->device
                   : v.is_leaf() && v.tensor->storage.device ? v.tensor->storage.device
                                                             : device;
    }
    /// A plan cannot use a leaf that lives on a device which is neither the plan's nor the CPU of one of its devices.
    Status check_home(const Value & leaf) const {
        if (!leaf.is_leaf() || leaf.kind == TensorKind::weight || !leaf.tensor->storage.device) return {};
        for (const Device * d : devices_)
            if (leaf.tensor->storage.device == d || leaf.tensor->storage.device == d->fallback) return {};
        return error(QL_INVALID_ARGUMENT,
                     "plan: %s lives on another device, where an earlier plan of this graph put it; make a graph for "
                     "each device, or a plan over both",
                     describe(leaf).c_str());
    }
    Status fall_back(PlanNode & n, const Status & why) {
        QL_ASSIGN(Device * cpu, fallback_of(*n.device));
        if (!cpu) return why;
        QL_TRY(takes(*cpu, n));
        n.device = cpu;
        n.moved = "its backend has no kernel";
        return {};
    }

    std::span<Device * const> devices_;
    size_t n_places_ = 1;  // of the list's nodes; each device gets an equal run of them
};

}  // namespace

Status place(PlanList & list, const PassInput & input) {
    Placing place_node(list, input);
    for (PlanNode * n : list.nodes) QL_TRY(place_node(*n));
    for (const PlanList::Output & o : list.outputs) place_node.settle_output(*o.value);
    return {};
}

}  // namespace ql
