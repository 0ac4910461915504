// Graphs to fuse, with values for their leaves: what the passes make of a graph computes the same.
#pragma once
#include "plan/passes.hpp"
#include "support/reference_run.hpp"

namespace ql::test {

inline constexpr int64_t kWidth = 24, kHidden = 40, kRank = 3, kTokens = 7;

class Fusion : public Passes {
  protected:
    ReferenceRun<double> run{g};
    uint64_t seed = 1;

    Tensor * filled(TensorKind kind, Shape s) {
        Tensor * t = leaf(kind, s);
        run.set(t, case_floats({s}, ++seed));
        return t;
    }
    Tensor * ids(std::vector<int32_t> values) {
        Tensor * t = leaf(TensorKind::input, Shape(static_cast<int64_t>(values.size())), QL_I32);
        run.set(t, values);
        return t;
    }
    Tensor * weight(int64_t k, int64_t m) { return filled(TensorKind::input, {k, m}); }
    Tensor * stream(int64_t n = kWidth) { return filled(TensorKind::input, {n, kTokens}); }
    Tensor * linear(Tensor * x, int64_t m) { return ql_mul_mat(&g, weight(x->ne(0), m), x); }
    Tensor * with_lora(Tensor * y, Tensor * x) {
        return ql_lora(&g, y, x, weight(x->ne(0), kRank), weight(kRank, y->ne(0)), 0.5f);
    }

    /// A linear with the branches of two adapters by token.
    Tensor * mixed(Tensor * x, int64_t m) {
        Tensor * const a[] = {weight(x->ne(0), kRank), weight(x->ne(0), 1)};
        Tensor * const bt[] = {weight(m, kRank), weight(m, 1)};
        const int adapter[] = {0, 2};
        return ql_lora_mix(&g, weight(x->ne(0), m), x, stream(3), 2, adapter, a, bt);
    }

    void fuse(const std::vector<Tensor *> & outputs) {
        apply(outputs, {reach, place, fuse_head_loss, fuse_swiglu, fuse_product_sums});
    }

    /// The graph node by node, and then the fused list, give the same outputs up to rounding.
    void expect_same_values() {
        run.run();
        for (const Value * v : list.leaves()) {
            const Tensor * leaf = v->tensor;
            const size_t bytes =
                leaf->dtype == QL_F32 ? static_cast<size_t>(leaf->shape.elements()) * sizeof(double) : leaf->bytes();
            std::memcpy(run.data(v), run.data(leaf), bytes);
        }
        for (const PlanNode * n : list.nodes) run.run(*n);
        for (const PlanList::Output & o : list.outputs) {
            const std::vector<double> want = run.values(o.tensor), got = run.values(o.value);
            for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-11);
        }
    }
};

}  // namespace ql::test
