// Two graphs of the same leaves that have to be one function: values and gradients are compared, in f64 and by the
// scalar references.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ggml/grad/grad.hpp"
#include "ggml/ops/params.hpp"
#include "ql/ql.hpp"
#include "support/reference_run.hpp"

namespace ql::test {

struct Composed {
    DevicePtr device;  // outlives the graph
    Graph g;
    ReferenceRun<double> run{g};
    std::vector<Tensor *> params;

    explicit Composed(ql_compute compute) {
        auto options = defaults<ql_device_options>();
        options.threads = 2;
        options.compute = compute;
        EXPECT_EQ(ql_device_open(&options, out(device)), QL_OK) << ql_error_message();
    }

    Tensor * param(Shape s) { return params.emplace_back(filled(TensorKind::param, s, Fill::normal)); }
    Tensor * input(Shape s, Fill fill = Fill::normal) { return filled(TensorKind::input, s, fill); }
    Tensor * integers(Shape s) { return g.leaf(TensorKind::input, "ids", QL_I32, QL_MAX_DIMS, s.ne.data(), nullptr); }
    /// The seed by which case_floats gives the values of a parameter.
    uint64_t seed_of(const Tensor * param) const {
        return 1 + static_cast<uint64_t>(std::find(params.begin(), params.end(), param) - params.begin());
    }

    /// Both have the same values, and sums of them with the same random factors have the same gradients. Those of the
    /// composition recompute cheap results, which must not matter.
    void expect_same(Tensor * fused, Tensor * composed) {
        ASSERT_TRUE(g.status().ok()) << g.status().message();
        ASSERT_EQ(fused->shape, composed->shape);
        const auto left = gradients(fused, QL_RECOMPUTE_NONE), right = gradients(composed, QL_RECOMPUTE_CHEAP);
        run.run();
        expect_close(run.values(fused), run.values(composed), "values");
        for (size_t i = 0; i < params.size(); ++i) {
            ASSERT_EQ(left[i] == nullptr, right[i] == nullptr) << "parameter " << i;
            if (left[i]) expect_close(run.values(left[i]), run.values(right[i]), "gradient " + std::to_string(i));
        }
        std::set<Tensor *> outputs;
        for (const auto & list : {left, right, {fused, composed}})
            for (Tensor * t : list)
                if (t) outputs.insert(t);
        expect_plan_agrees({outputs.begin(), outputs.end()});
    }

  private:
    Tensor * filled(TensorKind kind, Shape s, Fill fill) {
        Tensor * t = g.leaf(kind, "x", QL_F32, QL_MAX_DIMS, s.ne.data(), nullptr);
        run.set(t, case_floats({s, fill}, kind == TensorKind::param ? 1 + params.size() : 100 + n_inputs_++));
        return t;
    }

    /// Gradients of a sum of y's elements with random factors, by every parameter; null where y does not depend on it.
    std::vector<Tensor *> gradients(Tensor * y, ql_recompute recompute) {
        const int64_t n = y->shape.elements();
        Tensor * factors = g.leaf(TensorKind::input, "factors", QL_F32, 1, &n, nullptr);
        run.set(factors, case_floats({Shape(n)}, 99));
        Tensor * loss = g.emit(op::sum_rows, {g.emit(op::mul, {ql_reshape(&g, y, 1, &n), factors})});
        GradBuilder builder(g, op::add, recompute);
        const Status status = builder.run(loss, params);
        EXPECT_TRUE(status.ok()) << status.message();
        std::vector<Tensor *> found;
        for (const Tensor * p : params) found.push_back(builder.gradient(p));
        return found;
    }

    /// Runs one plan of all these outputs: it shows whether results that share storage, or are held in bf16, are wrong.
    void expect_plan_agrees(std::vector<Tensor *> outputs) {
        PlanPtr plan;
        ASSERT_EQ(ql_plan_create(&g, device.get(), outputs.data(), static_cast<int>(outputs.size()), out(plan)), QL_OK)
            << ql_error_message();
        for (const Tensor & t : g.tensors())
            if (t.is_leaf() && t.kind != TensorKind::weight) write(t);
        ASSERT_EQ(ql_plan_run(plan.get()), QL_OK) << ql_error_message();
        for (const Tensor * t : outputs) {
            std::vector<float> got(static_cast<size_t>(t->shape.elements()));
            ASSERT_EQ(ql_plan_read(plan.get(), t, got.data(), 0, t->bytes()), QL_OK) << ql_error_message();
            expect_close({got.begin(), got.end()}, run.values(t), describe(*t) + " of a plan",
                         computes_in_bf16() ? 1e-3 : 1e-10);
        }
    }
    /// Writes a leaf if a plan uses it; any other has no memory, and the failure is ignored.
    void write(const Tensor & t) {
        const std::vector<double> values = run.values(&t);
        auto * leaf = const_cast<Tensor *>(&t);
        if (t.dtype == QL_I32) {
            const std::vector<int32_t> ints(values.begin(), values.end());
            (void)ql_tensor_write(leaf, ints.data(), 0, t.bytes());
        } else {
            const std::vector<float> floats(values.begin(), values.end());
            (void)ql_tensor_write(leaf, floats.data(), 0, t.bytes());
        }
    }
    bool computes_in_bf16() const {
        auto info = sized<ql_device_info>();
        EXPECT_EQ(ql_device_describe(device.get(), &info), QL_OK);
        return info.bf16 != 0;
    }

    static void expect_close(const std::vector<double> & a, const std::vector<double> & b, const std::string & what,
                             double limit = 1e-13) {
        double size = 0, difference = 0;
        for (size_t i = 0; i < a.size(); ++i) {
            size += b[i] * b[i];
            difference += (a[i] - b[i]) * (a[i] - b[i]);
        }
        EXPECT_GT(size, 0) << what;
        EXPECT_LT(difference / size, limit) << what;
    }

    uint64_t n_inputs_ = 0;
};

}  // namespace ql::test
