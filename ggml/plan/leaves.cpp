#include "ggml/plan/leaves.hpp"

#include <algorithm>

namespace ql {
namespace {

bool is_used_in_place(const Value & weight) {
    return weight.device->backend->host_memory;
}

Storage * copy_on(Tensor & weight, const Device & device) {
    const auto it = std::find_if(weight.copies.begin(), weight.copies.end(),
                                 [&](const Storage & s) { return s.device == &device; });
    return it == weight.copies.end() ? nullptr : &*it;
}

Status upload(const Value & weight) {
    Tensor & t = *weight.tensor;
    if (copy_on(t, *weight.device)) return {};
    QL_ASSIGN(Storage storage, allocate(*weight.device, t.bytes()));
    QL_TRY(weight.device->backend->upload(*weight.device->impl, storage.data, t.storage.data, t.bytes()));
    t.copies.push_back(std::move(storage));
    return {};
}

}  // namespace

Status settle_leaf(const Value & leaf) {
    if (leaf.kind == TensorKind::weight) return is_used_in_place(leaf) ? Status() : upload(leaf);
    if (leaf.tensor->storage.data) return {};
    QL_ASSIGN(leaf.tensor->storage, allocate(*leaf.device, leaf.bytes()));
    return {};
}

void * leaf_address(const Value & leaf) {
    if (leaf.kind == TensorKind::weight && !is_used_in_place(leaf)) return copy_on(*leaf.tensor, *leaf.device)->data;
    return leaf.tensor->storage.data;
}

}  // namespace ql
