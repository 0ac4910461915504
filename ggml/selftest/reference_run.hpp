// A small interpreter: runs a graph's nodes in order with the scalar references, in f32 or in f64, on host
// memory of its own. And graphs of one node, made from an operator's conformance case.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include "ggml/graph/graph.hpp"
#include "ggml/selftest/case_input.hpp"

namespace ql::selftest {

/// Zeroed memory, aligned as every type's kernels want it.
class AlignedBytes {
  public:
    AlignedBytes() = default;
    explicit AlignedBytes(size_t bytes) : data_(std::aligned_alloc(64, std::max<size_t>(64, (bytes + 63) / 64 * 64))) {
        if (!data_) throw std::bad_alloc();
        std::memset(data_.get(), 0, bytes);
    }
    void * data() const { return data_.get(); }

  private:
    struct Free {
        void operator()(void * p) const { std::free(p); }
    };
    std::unique_ptr<void, Free> data_;
};

/// One node of an operator, with leaves as a case wants them; frozen weights hold the case's values.
struct CaseGraph {
    Graph graph;
    std::vector<CaseInput> inputs;
    std::vector<Tensor *> leaves;
    Tensor * out = nullptr;  // the first result
    std::vector<AlignedBytes> weights;

    CaseGraph(const OpDef & def, const Case & c, uint64_t seed) : inputs(c.in) {
        for (size_t i = 0; i < c.in.size(); ++i) {
            const CaseInput & in = c.in[i];
            const void * data = nullptr;
            if (in.kind == TensorKind::weight) {
                weights.emplace_back(ql_dtype_bytes(in.dtype, in.shape.elements()));
                if (Status s = fill_input(in, seed + i, weights.back().data()); !s.ok())
                    throw std::runtime_error(s.message());
                data = weights.back().data();
            }
            leaves.push_back(graph.leaf(in.kind, ("in" + std::to_string(i)).c_str(), in.dtype, QL_MAX_DIMS,
                                        in.shape.ne.data(), data));
        }
        if (graph.status().ok()) out = graph.emit(def, leaves, c.params);
        if (!out) throw std::runtime_error(std::string(def.name) + " '" + c.name + "': " + graph.status().message());
    }
};

/// Values of all tensors of a graph. Real is double where f32 tensors shall hold doubles.
template <typename Real>
class ReferenceRun {
  public:
    explicit ReferenceRun(const Graph & graph) : graph_(graph) {}

    /// The tensor's memory; a leaf's starts as its borrowed data, or zero.
    void * data(const Operand * t) {
        t = t->root();
        if (const auto it = buffers_.find(t); it != buffers_.end()) return it->second.data();
        const auto n = static_cast<size_t>(t->shape.elements());
        AlignedBytes & buffer = buffers_[t] = AlignedBytes(t->dtype == QL_F32 ? n * sizeof(Real) : t->bytes());
        const void * borrowed = borrowed_data(t);
        if (borrowed && t->dtype == QL_F32)
            std::copy_n(static_cast<const float *>(borrowed), n, static_cast<Real *>(buffer.data()));
        if (borrowed && t->dtype != QL_F32) std::memcpy(buffer.data(), borrowed, t->bytes());
        return buffer.data();
    }
    Real * reals(const Operand * t) { return static_cast<Real *>(data(t)); }
    std::vector<Real> values(const Operand * t) {
        const int64_t n = t->shape.elements();
        if (t->dtype == QL_F32) return {reals(t), reals(t) + n};
        std::vector<float> v(static_cast<size_t>(n));
        find_dtype(t->dtype)->decode(data(t), n, 0, n, v.data());
        return {v.begin(), v.end()};
    }

    void set(const Operand * t, const std::vector<float> & values) {
        std::copy(values.begin(), values.end(), reals(t));
    }
    void set(const Operand * t, const std::vector<int32_t> & values) {
        std::copy(values.begin(), values.end(), static_cast<int32_t *>(data(t)));
    }
    void fill(const Operand * t, const CaseInput & in, uint64_t seed) {
        if (in.dtype == QL_I32) return set(t, case_ints(in, seed));
        if (in.dtype == QL_F32) return set(t, case_floats(in, seed));
        if (Status s = fill_input(in, seed, data(t)); !s.ok()) throw std::runtime_error(s.message());
    }
    /// Fills every leaf of a case that does not already hold its values.
    void fill(const CaseGraph & c, uint64_t seed) {
        for (size_t i = 0; i < c.leaves.size(); ++i)
            if (c.inputs[i].kind != TensorKind::weight) fill(c.leaves[i], c.inputs[i], seed + i);
    }

    /// Nodes [first, last) of the graph; last -1: all.
    void run(int64_t first = 0, int64_t last = -1) {
        if (last < 0) last = static_cast<int64_t>(graph_.nodes().size());
        for (int64_t i = first; i < last; ++i) run(graph_.nodes()[static_cast<size_t>(i)]);
    }
    /// One node, of the graph or of a plan.
    void run(const Node & node) {
        std::vector<const void *> src;
        std::vector<void *> out;
        for (const Operand * t : node.src) src.push_back(t ? data(t) : nullptr);
        for (const Operand * t : node.out) out.push_back(data(t));
        const RefArgs<Real> args{node, src.data(), out.data()};
        if constexpr (sizeof(Real) == sizeof(double))
            node.def->reference64(args);
        else
            node.def->reference(args);
    }

  private:
    /// The host memory that a leaf of the graph borrows, or null.
    const void * borrowed_data(const Operand * t) {
        for (; n_leaves_ < graph_.tensors().size(); ++n_leaves_) {
            const Tensor & leaf = graph_.tensors()[n_leaves_];
            if (leaf.is_leaf() && !leaf.storage.device) borrowed_[&leaf] = leaf.storage.data;
        }
        const auto it = borrowed_.find(t);
        return it == borrowed_.end() ? nullptr : it->second;
    }

    const Graph & graph_;
    size_t n_leaves_ = 0;  // tensors of the graph that were looked at: the graph may grow
    std::unordered_map<const Operand *, const void *> borrowed_;
    std::unordered_map<const Operand *, AlignedBytes> buffers_;
};

}  // namespace ql::selftest
