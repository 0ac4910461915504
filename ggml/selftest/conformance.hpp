// Runs an operator's case on a device of any backend and compares with the reference in f64.
//
// The device sees what a plan would give it: results hold NaN before the run, scratch holds NaN, every buffer ends in a
// guard zone, and a node whose results may take over a source's storage is run both ways.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ggml/backend/backend.hpp"
#include "ggml/ops/op.hpp"
#include "ggml/selftest/reference_run.hpp"

namespace ql::selftest {

/// An open device of any backend, borrowed.
struct DeviceUnderTest {
    const Backend & backend;
    DeviceImpl * impl = nullptr;

    Status copy(const Copy & copy) const {
        QL_TRY(impl->copy(Queue::copy, copy));
        return impl->finish(impl->now(Queue::copy));
    }
    Status run(std::span<Step> steps) const {
        QL_ASSIGN(const auto executable, impl->compile(steps));
        QL_TRY(impl->run(*executable, false));
        return impl->finish(impl->now(Queue::compute));
    }
};

/// NMSE of products whose operands are rounded to int8: 7e-5 of many numbers; of the 3 of a case it has been 2.5e-4. A lost
/// step of a depth of 64 is 1.5e-2.
inline constexpr double kInt8Limit = 4e-4;
inline constexpr double kInt16Limit = 5e-6;
inline constexpr double kInt8HeadLimit = 5e-4;  // of two of them with a softmax in between

/// NMSE allowed against the f64 reference: that of f32, except for products whose operands are rounded to bf16.
/// `narrow`: the tensors themselves are held in bf16.
inline double conformance_limit(const OpDef & def, bool bf16, bool narrow = false) {
    return narrow || (bf16 && def.products) ? 2e-5 : 1e-11;
}

/// Operators that multiply by a frozen weight, which a device may do with integers.
inline bool multiplies_frozen_weights(const OpDef & def) {
    const OpDef * const all[] = {&op::mul_mat,  &op::mul_mat_t, &op::mul_mat_sum,   &op::mul_mat_merged,
                                 &op::lora_mix, &op::head_loss, &op::head_loss_back};
    return std::find(std::begin(all), std::end(all), &def) != std::end(all);
}
/// The same for what a device computes in.
inline double conformance_limit(const OpDef & def, const Caps & caps, bool narrow = false) {
    if (caps.integer_bits == 0 || !multiplies_frozen_weights(def)) return conformance_limit(def, caps.bf16, narrow);
    if (caps.integer_bits == 16) return kInt16Limit;
    return &def == &op::head_loss_back ? kInt8HeadLimit : kInt8Limit;
}

/// sum (got - want)^2 / sum want^2; infinite where one is NaN or Inf and the other is not the same.
inline double nmse(const std::vector<float> & got, const std::vector<double> & want) {
    double error = 0, size = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        const auto g = static_cast<double>(got[i]);
        if (std::isnan(want[i]) && std::isnan(g)) continue;
        if (std::isinf(want[i]) && g == want[i]) continue;
        if (!std::isfinite(want[i]) || !std::isfinite(g)) return INFINITY;
        error += (g - want[i]) * (g - want[i]);
        size += want[i] * want[i];
    }
    return error == 0 ? 0 : error / size;
}

/// A case, its inputs and what the reference makes of them.
class Conformance {
  public:
    /// `narrow_for` not null: every source and result that this kernel takes in bf16 is held in it.
    Conformance(const OpDef & def, const Case & c, uint64_t seed, const Kernel * narrow_for = nullptr)
        : seed_(seed), graph_(def, c, seed), reference_(graph_.graph), node_(*graph_.out->producer) {
        reference_.fill(graph_, seed);
        if (narrow_for) narrow(*narrow_for);
    }

    const Node & node() const { return node_; }
    /// True if some tensor is held in bf16 for the kernel's sake.
    bool narrows() const { return !narrowed_.empty(); }
    /// True if some result may take over a source's storage.
    bool can_reuse() const {
        for (size_t i = 0; i < node_.out.size(); ++i)
            if (reuses(i)) return true;
        return false;
    }
    /// Runs the reference, once.
    std::vector<double> wanted(size_t result) {
        if (!std::exchange(is_known_, true)) reference_.run();
        return reference_.values(graph_.out->producer->result(result));
    }

    /// The results of a run, in order. Throws where the device reports an error, or wrote where it should not.
    std::vector<std::vector<float>> run(const DeviceUnderTest & device, bool reuse) const;

  private:
    /// Memory on the device with a guard zone behind it.
    struct Buffer {
        const DeviceUnderTest & device;
        size_t bytes;
        std::vector<std::byte> before;  // what it held before the run
        void * data = nullptr;

        Buffer(const DeviceUnderTest & d, std::vector<std::byte> content)
            : device(d), bytes(content.size()), before(std::move(content)) {
            before.resize(bytes + kGuard, std::byte{0xa5});
            Result<void *> memory = device.impl->allocate(MemoryKind::device, before.size());
            check(memory.status());
            data = memory.value();
            check(device.copy({data, before.data(), before.size(), MemoryKind::device, MemoryKind::host}));
        }
        ~Buffer() { device.impl->release(MemoryKind::device, data, before.size()); }
        Buffer(const Buffer &) = delete;
        Buffer & operator=(const Buffer &) = delete;
        std::vector<std::byte> now() const {
            std::vector<std::byte> v(before.size());
            check(device.copy({v.data(), data, v.size(), MemoryKind::host, MemoryKind::device}));
            return v;
        }
        bool guard_intact() const {
            const auto v = now();
            return std::equal(v.begin() + static_cast<std::ptrdiff_t>(bytes), v.end(),
                              before.begin() + static_cast<std::ptrdiff_t>(bytes));
        }
    };
    static constexpr size_t kGuard = 256;

    static void check(const Status & s) {
        if (!s.ok()) throw std::runtime_error(s.message());
    }
    void narrow(const Kernel & kernel) {
        const Node & whole = *graph_.out->producer;
        const auto fits = [](const Operand & t) { return t.dtype == QL_F32 && t.ne(0) % 32 == 0 && !t.alias; };
        for (size_t i = 0; i < whole.src.size(); ++i) {
            if (!whole.src[i] || !fits(*whole.src[i]) || !kernel.reads_bf16 || !kernel.reads_bf16(whole, i)) continue;
            node_.src[i] = held_in_bf16(*whole.src[i]);
            double * x = reference_.reals(whole.src[i]);
            for (int64_t e = 0; e < whole.src[i]->shape.elements(); ++e)
                x[e] = static_cast<double>(bf16_to_f32(f32_to_bf16(static_cast<float>(x[e]))));
        }
        for (size_t i = 0; i < whole.out.size(); ++i)
            if (fits(*whole.out[i]) && kernel.writes_bf16 && kernel.writes_bf16(whole, i))
                node_.out[i] = held_in_bf16(*whole.out[i]);
    }
    Operand * held_in_bf16(const Operand & t) {
        Operand & copy = narrowed_.emplace_back(t);
        copy.dtype = QL_BF16;
        return &copy;
    }
    bool reuses(size_t result) const {
        const int from = node().out[result]->may_reuse;
        if (from < 0 || node().out[result]->alias) return false;
        const Operand * source = node().src[static_cast<size_t>(from)];
        if (source->bytes() != node().out[result]->bytes()) return false;
        return std::count(node().src.begin(), node().src.end(), source) == 1;
    }
    /// Source i, in the type that it is held in.
    std::vector<std::byte> source_bytes(size_t i) const {
        const Operand * t = node().src[i];
        std::vector<std::byte> v(t->bytes());
        AlignedBytes aligned(v.size());
        CaseInput in = graph_.inputs[i];
        in.dtype = t->dtype;
        if (Status s = fill_input(in, seed_ + i, aligned.data()); !s.ok()) throw std::runtime_error(s.message());
        std::memcpy(v.data(), aligned.data(), v.size());
        return v;
    }

    uint64_t seed_;
    CaseGraph graph_;
    ReferenceRun<double> reference_;
    bool is_known_ = false;  // what the reference makes of them
    Node node_;              // the case's, with tensors that are held in bf16 in place of those of the graph
    std::deque<Operand> narrowed_;
};

inline std::vector<std::vector<float>> Conformance::run(const DeviceUnderTest & device, bool reuse) const {
    const std::vector<std::byte> no_bytes;
    std::map<const Operand *, std::unique_ptr<Buffer>> buffers;
    std::map<const Operand *, const Operand *> holder;  // whose buffer a result has
    std::map<const Operand *, bool> changes;
    for (size_t i = 0; i < node().src.size(); ++i)
        if (node().src[i]) buffers[node().src[i]] = std::make_unique<Buffer>(device, source_bytes(i));
    for (size_t i = 0; i < node().out.size(); ++i) {
        const Operand * t = node().out[i];
        holder[t] = t->alias ? t->root() : reuse && reuses(i) ? node().src[static_cast<size_t>(t->may_reuse)] : t;
        changes[holder[t]] = true;
        if (holder[t] == t)
            buffers[t] = std::make_unique<Buffer>(device, std::vector<std::byte>(t->bytes(), std::byte{0xff}));
    }

    const Kernel & kernel = *device.backend.kernels[op_index(node().def)];
    if (!kernel.launch) throw std::runtime_error(kernel.missing ? kernel.missing : "no kernel");
    if (kernel.accepts) check(kernel.accepts(node(), *device.impl));
    const size_t scratch_bytes = kernel.scratch ? kernel.scratch(node(), *device.impl) : 0;
    Buffer scratch(device, std::vector<std::byte>(scratch_bytes, std::byte{0xff}));

    std::vector<Step> steps(1);
    steps[0].node = &node();
    steps[0].kernel = &kernel;
    for (const Operand * t : node().src) steps[0].src.push_back(t ? buffers.at(t)->data : nullptr);
    for (const Operand * t : node().out) steps[0].out.push_back(buffers.at(holder[t])->data);
    steps[0].scratch = static_cast<std::byte *>(scratch.data);
    check(device.run(steps));

    if (!scratch.guard_intact()) throw std::runtime_error("wrote past the end of its scratch");
    for (const auto & [t, buffer] : buffers) {
        if (!buffer->guard_intact()) throw std::runtime_error("wrote past the end of " + describe(*t));
        if (!changes[t] && buffer->now() != buffer->before)
            throw std::runtime_error("changed its input " + describe(*t));
    }
    std::vector<std::vector<float>> results;
    for (const Operand * t : node().out) {
        const auto bytes = buffers.at(holder[t])->now();
        std::vector<float> v(static_cast<size_t>(t->shape.elements()));
        find_dtype(t->dtype)->decode(bytes.data(), t->shape.elements(), 0, t->shape.elements(), v.data());
        results.push_back(std::move(v));
    }
    return results;
}

}  // namespace ql::selftest
