#include "ggml/plan/leaves.hpp"

#include <algorithm>
#include <vector>

#include "ggml/core/os/os.hpp"

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

/// Uploads that were started and not yet waited for.
class Uploads {
  public:
    Uploads() = default;
    Uploads(const Uploads &) = delete;
    Uploads & operator=(const Uploads &) = delete;
    ~Uploads() { (void)wait(); }  // no memory is freed while something is written to it

    Status start(const Value & weight) {
        Tensor & t = *weight.tensor;
        if (copy_on(t, *weight.device)) return {};
        QL_ASSIGN(Storage storage, allocate(*weight.device, t.bytes()));
        Upload & upload = uploads_.emplace_back(Upload{&t, std::move(storage)});
        const Copy copy = {upload.storage.data, t.storage.data, t.bytes(), MemoryKind::device, MemoryKind::host};
        devices_.insert(weight.device);
        return weight.device->impl->copy(Queue::copy, copy);
    }
    Status finish() {
        QL_TRY(wait());
        for (Upload & u : uploads_) u.weight->copies.push_back(std::move(u.storage));
        uploads_.clear();
        return {};
    }

  private:
    struct Upload {
        Tensor * weight;
        Storage storage;
    };
    /// The first error, once all devices are done.
    Status wait() {
        Status first;
        for (Device * d : devices_)
            if (Status s = d->impl->finish(d->impl->now(Queue::copy)); first.ok()) first = std::move(s);
        devices_.clear();
        return first;
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
            if (!is_used_in_place(*leaf)) QL_TRY(uploads.start(*leaf));
        } else if (!storage.data) {
            QL_ASSIGN(storage, allocate(*leaf->device, leaf->bytes()));
        }
    }
    return uploads.finish();
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
            QL_TRY(os::read_range(file, storage.data));
            t.copies.push_back(std::move(storage));
        }
        os::forget_mapped(t.storage.data, t.bytes());
    }
    return {};
}

void * leaf_address(const Value & leaf) {
    if (leaf.kind == TensorKind::weight)
        if (const Storage * copy = copy_on(*leaf.tensor, *leaf.device)) return copy->data;
    return leaf.tensor->storage.data;
}

}  // namespace ql
