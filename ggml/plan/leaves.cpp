#include "ggml/plan/leaves.hpp"

#include <algorithm>
#include <vector>

#include "ggml/core/os/os.hpp"
#include "ggml/graph/graph.hpp"
#include "ggml/pool/page_queue.hpp"

namespace ql {
namespace {

bool is_used_in_place(const Value & weight) {
    return weight.device->caps.host_memory;
}

Storage * copy_on(Tensor & weight, const Device & device) {
    const auto it = std::find_if(weight.copies.begin(), weight.copies.end(),
                                 [&](const Storage & s) { return s.device == &device; });
    return it == weight.copies.end() ? nullptr : &*it;
}

/// Where a weight stays that is read from its file; null: it is used where it is, or was uploaded.
const Storage * host_copy(const Value & leaf) {
    const bool in_place = leaf.kind == TensorKind::weight && is_used_in_place(leaf);
    return in_place ? copy_on(*leaf.tensor, *leaf.device) : nullptr;
}

/// Weights that get a copy on their device.
class Uploads {
  public:
    Status add(const Value & weight) {
        Tensor & t = *weight.tensor;
        if (copy_on(t, *weight.device)) return {};
        QL_ASSIGN(Storage storage, allocate(*weight.device, t.bytes()));
        uploads_.push_back({&t, std::move(storage)});
        devices_.insert(weight.device);
        return {};
    }
    Status run() {
        for (Device * d : devices_) QL_TRY(run_on(*d));
        for (Upload & u : uploads_) u.weight->copies.push_back(std::move(u.storage));
        return {};
    }

  private:
    struct Upload {
        Tensor * weight;
        Storage storage;
    };
    /// In the device's turn, as errors are the next waiter's. It waits after an error, too: no memory is freed while
    /// something is written to it.
    Status run_on(Device & d) {
        const Turns::Held turn(d.turns);
        Status status;
        for (const Upload & u : uploads_) {
            if (u.storage.device != &d || !status.ok()) continue;
            const Tensor & t = *u.weight;
            status = d.impl->copy(Queue::copy,
                                  {u.storage.data, t.storage.data, t.bytes(), MemoryKind::device, MemoryKind::host});
        }
        Status waited = d.impl->finish(d.impl->now(Queue::copy));
        return status.ok() ? waited : status;
    }

    std::vector<Upload> uploads_;
    std::set<Device *> devices_;
};

}  // namespace

Status settle_leaves(std::span<const Value * const> leaves) {
    Uploads uploads;
    for (const Value * leaf : leaves) {
        Storage & storage = leaf->tensor->storage;
        if (leaf->kind == TensorKind::weight) {
            if (!is_used_in_place(*leaf)) QL_TRY(uploads.add(*leaf));
        } else if (!storage.data && !is_paged_out(*leaf->tensor)) {
            QL_ASSIGN(storage, allocate(*leaf->device, leaf->bytes()));
        }
    }
    return uploads.run();
}

Status settle_weights(std::span<const Value * const> leaves, const std::set<Tensor *> & resident) {
    for (const Value * leaf : leaves) {
        if (leaf->kind != TensorKind::weight) continue;
        Tensor & t = *leaf->tensor;
        const os::FileRange file = os::mapped_range(t.storage.data, t.bytes());
        if (file.fd < 0) continue;
        if (!resident.count(&t)) t.copies.clear();
        if (resident.count(&t) && !copy_on(t, *leaf->device)) {
            QL_ASSIGN(Storage storage, allocate(*leaf->device, t.bytes()));
            t.copies.push_back(std::move(storage));
        }
        os::forget_mapped(t.storage.data, t.bytes());
    }
    return {};
}

bool have_copies(std::span<const Value * const> leaves) {
    return std::any_of(leaves.begin(), leaves.end(), [](const Value * leaf) { return host_copy(*leaf) != nullptr; });
}

Status fill_weights(std::span<const Value * const> leaves, std::set<const Tensor *> & read) {
    std::vector<PageMove> moves;
    std::vector<const Tensor *> moved;
    for (const Value * leaf : leaves) {
        const Storage * copy = host_copy(*leaf);
        if (!copy || read.count(leaf->tensor)) continue;
        const os::FileRange from = os::mapped_range(leaf->tensor->storage.data, leaf->bytes());
        moves.push_back({from, static_cast<std::byte *>(copy->data)});
        moved.push_back(leaf->tensor);
    }
    PageQueue queue;
    QL_TRY(queue.start(moves));
    QL_TRY(queue.wait(moves.size()));
    read.insert(moved.begin(), moved.end());
    return {};
}

void * leaf_address(const Value & leaf) {
    if (leaf.kind == TensorKind::weight)
        if (const Storage * copy = copy_on(*leaf.tensor, *leaf.device)) return copy->data;
    return leaf.tensor->storage.data;
}

}  // namespace ql
