// Copies what is read on another device than it was written on. Between two devices that have memory of their own it
// goes through the host's, in two copies; a device that reads host memory, the CPU, reads it there.
#include <algorithm>

#include "ggml/plan/pass.hpp"

namespace ql {
namespace {

Status infer_copy(const Node & n, std::vector<OutSpec> & outs) {
    outs.push_back({.dtype = n.src[0]->dtype, .shape = n.src[0]->shape});
    return {};
}

class Copying {
  public:
    explicit Copying(PlanList & list) : list_(list) {}

    void apply(Device & first) {
        for (PlanNode * n : list_.nodes) {
            for (size_t i = 0; i < n->src.size(); ++i)
                if (n->src[i]) n->src[i] = on_device(*n, *n->source(i));
            for (size_t i = 0; i < n->out.size(); ++i) follow(*n, *n->result(i));
            nodes_.push_back(n);
        }
        list_.nodes = std::move(nodes_);
        for (PlanList::Output & o : list_.outputs)
            if (o.value->kind == TensorKind::weight) o.value = list_.weight_on(*o.value, first);
    }

  private:
    /// The operand as the node's device has it.
    Value * on_device(const PlanNode & n, Value & operand) {
        if (operand.kind == TensorKind::weight) return list_.weight_on(operand, *n.device);
        if (root_of(&operand)->is_readable_by(*n.device)) return &operand;
        Value & there = in_host_memory(n, operand);
        return n.device->caps.host_memory ? &there : copied(n, there, *n.device);
    }
    Value & in_host_memory(const PlanNode & n, Value & operand) {
        const Value & root = *root_of(&operand);
        if (root.is_in_host_memory()) return operand;
        Value * staged = copied(n, operand, *root.device);
        staged->staged = true;
        return *staged;
    }
    /// The one copy that the device makes of the operand until the operand changes.
    Value * copied(const PlanNode & reader, Value & operand, Device & device) {
        Value *& copy = copies_[{&operand, &device}];
        if (!copy) {
            copy = list_.make_value(operand);
            copy->kind = TensorKind::result;
            copy->device = &device;
            copy->staged = false;
            nodes_.push_back(list_.make_node(reader, kCopy, {}, {&operand}, {copy}));
            nodes_.back()->device = &device;
        }
        return copy;
    }

    /// A view of a weight is one of the weight as this device has it; what is changed in place must be copied anew.
    void follow(const PlanNode & n, Value & result) {
        if (!result.alias) return;
        if (is_view(n)) {
            result.alias = n.src[0];
            result.device = n.device;
            return;
        }
        const Value * root = root_of(&result);
        std::erase_if(copies_, [&](const auto & entry) { return root_of(entry.first.first) == root; });
    }

    PlanList & list_;
    std::vector<PlanNode *> nodes_;
    std::map<std::pair<const Value *, const Device *>, Value *> copies_;
};

}  // namespace

const OpDef kCopy = {
    .number = Op::count,  // no backend has a row for it
    .name = "copy",
    .formula = "y = x, in another memory",
    .infer = infer_copy,
    .no_grad = "a plan makes it",
    .flops = no_flops,
};

Status copy_between_devices(PlanList & list, const PassInput & input) {
    Copying(list).apply(*input.devices[0]);
    return {};
}

}  // namespace ql
