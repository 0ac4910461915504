// Training with the weight that a merge will give: what lora_merge packs, and the gradient of mul_mat_merged, which is
// straight through the rounding and so no derivative that differences could check.
#include <gtest/gtest.h>

#include "common/merged_row.hpp"
#include "ggml/ops/merged_rows.hpp"
#include "ql/ql.h"
#include "support/gradient_check.hpp"
#include "support/reference_run.hpp"

namespace ql::test {
namespace {

constexpr int64_t kK = 96, kM = 33, kR = 3, kTokens = 5;
constexpr float kScale = 0.75f;

/// Both forms of a linear on the same leaves, each under a loss of its own.
struct Linear {
    Graph g;
    ReferenceRun<double> run{g};
    Tensor *m = nullptr, *x = nullptr, *a = nullptr, *b = nullptr, *factors = nullptr;
    std::vector<float> values;

    Linear() : values(case_floats({Shape(kM * kTokens)}, 9)) {
        m = leaf(TensorKind::state, {kK, kM}, QL_Q4_0);
        x = leaf(TensorKind::param, {kK, kTokens});
        a = leaf(TensorKind::param, {kK, kR});
        b = leaf(TensorKind::param, {kR, kM});
        const Shape flat(kM * kTokens);
        factors = g.leaf(TensorKind::weight, "factors", QL_F32, QL_MAX_DIMS, flat.ne.data(), values.data());
        run.fill(m, cache_in(m->shape, QL_Q4_0), 1);
        for (Tensor * t : {x, a, b}) run.set(t, case_floats({t->shape}, ++seed_));
    }
    Tensor * leaf(TensorKind kind, Shape s, ql_dtype dtype = QL_F32) {
        return g.leaf(kind, "t", dtype, QL_MAX_DIMS, s.ne.data(), nullptr);
    }
    /// The gradients of x, A and B for a loss of y.
    std::vector<Tensor *> gradients(Tensor * y) {
        const int64_t flat = kM * kTokens;
        Tensor * loss = ql_mul_mat(&g, factors, ql_reshape(&g, y, 1, &flat));
        GradBuilder builder(g, op::add, QL_RECOMPUTE_NONE);
        Tensor * const params[] = {x, a, b};
        const Status status = builder.run(loss, params);
        EXPECT_TRUE(status.ok()) << status.message();
        return {builder.gradient(x), builder.gradient(a), builder.gradient(b)};
    }

  private:
    uint64_t seed_ = 1;
};

TEST(MulMatMerged, GivesABranchTheGradientThatItHasWithoutTheRounding) {
    Linear l;
    const auto merged = l.gradients(ql_mul_mat_merged(&l.g, l.m, l.x, l.a, l.b, kScale));
    const auto apart = l.gradients(ql_lora(&l.g, ql_mul_mat(&l.g, l.m, l.x), l.x, l.a, l.b, kScale));
    l.run.run();
    for (const size_t of : {size_t{1}, size_t{2}}) EXPECT_EQ(l.run.values(merged[of]), l.run.values(apart[of])) << of;
}

/// The analytic form, apart from any rule: dA = s (B^T dy) x^T, dB = s dy (A x)^T, dx = M^T dy alone.
TEST(MulMatMerged, GradientsAreTheFormulas) {
    Linear l;
    const auto got = l.gradients(ql_mul_mat_merged(&l.g, l.m, l.x, l.a, l.b, kScale));
    l.run.run();
    const auto m = l.run.values(l.m), x = l.run.values(l.x), a = l.run.values(l.a), b = l.run.values(l.b);
    std::vector<double> dx(static_cast<size_t>(kK * kTokens)), da(static_cast<size_t>(kK * kR)),
        db(static_cast<size_t>(kR * kM));
    for (int64_t t = 0; t < kTokens; ++t)
        for (int64_t i = 0; i < kM; ++i)
            for (int64_t e = 0; e < kK; ++e) {
                const double dy = static_cast<double>(l.values[static_cast<size_t>(t * kM + i)]);
                dx[static_cast<size_t>(t * kK + e)] += m[static_cast<size_t>(i * kK + e)] * dy;
                for (int64_t j = 0; j < kR; ++j) {
                    const double xe = x[static_cast<size_t>(t * kK + e)], s = static_cast<double>(kScale);
                    da[static_cast<size_t>(j * kK + e)] += s * b[static_cast<size_t>(i * kR + j)] * dy * xe;
                    db[static_cast<size_t>(i * kR + j)] += s * dy * a[static_cast<size_t>(j * kK + e)] * xe;
                }
            }
    const std::vector<double> * want[] = {&dx, &da, &db};
    for (size_t p = 0; p < 3; ++p) {
        const auto values = l.run.values(got[p]);
        ASSERT_EQ(values.size(), want[p]->size());
        for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], (*want[p])[i], 1e-10) << p << " " << i;
    }
}

TEST(MulMatMerged, TrainsTheBranchOfAnInputThatIsNoParameter) {
    Linear l;
    const Shape shape(kK, kTokens);
    Tensor * x = l.leaf(TensorKind::input, shape);
    const int64_t flat = kM * kTokens;
    Tensor * y = ql_mul_mat_merged(&l.g, l.m, x, l.a, l.b, kScale);
    Tensor * loss = ql_mul_mat(&l.g, l.factors, ql_reshape(&l.g, y, 1, &flat));
    GradBuilder builder(l.g, op::add, QL_RECOMPUTE_NONE);
    Tensor * const params[] = {l.a, l.b};
    ASSERT_TRUE(builder.run(loss, params).ok());
    for (const GraphNode & n : l.g.nodes())
        EXPECT_FALSE(n.def == &op::mul_mat_t && n.source(0) == l.m) << "nobody wants dx";
}

/// Any number of rows side by side, and rows of any length.
TEST(MergedRows, HaveTheBitsOfEachRowByItself) {
    for (const int64_t k : {1, 15, 16, 33, 64, 160, 257})
        for (const int64_t rows : {1, 3, 4, 9})
            for (const int64_t r : {1, 5, 16}) {
                std::vector<float> got = case_floats({Shape(k, rows)}, 5);
                const std::vector<float> a = case_floats({Shape(k, r)}, 6), b = case_floats({Shape(r, rows)}, 7);
                std::vector<float> want = got;
                for (int64_t i = 0; i < rows; ++i)
                    add_merged_row(want.data() + i * k, a.data(), b.data() + i * r, k, r, kScale);
                add_merged_rows(got.data(), rows, a.data(), b.data(), k, r, kScale);
                EXPECT_EQ(0, std::memcmp(got.data(), want.data(), got.size() * sizeof(float)))
                    << k << " x " << rows << ", rank " << r;
            }
}

/// The row's arithmetic is a promise that two programs keep: it is pinned here by a form of its own.
TEST(MergedRow, AddsTheBranchInOneOrderOfSums) {
    const std::vector<float> w = case_floats({Shape(kK - 1)}, 1), a = case_floats({Shape(kK - 1, kR)}, 2),
                             b = case_floats({Shape(kR)}, 3);
    std::vector<float> got = w;
    add_merged_row(got.data(), a.data(), b.data(), kK - 1, kR, kScale);
    for (size_t i = 0; i < got.size(); ++i) {
        volatile float sum = 0;  // no product is fused with a sum
        for (size_t j = 0; j < static_cast<size_t>(kR); ++j) {
            const volatile float product = b[j] * a[j * w.size() + i];
            sum = sum + product;
        }
        const volatile float scaled = kScale * sum;
        EXPECT_EQ(got[i], w[i] + scaled) << i;
    }
}

TEST(LoraMerge, OfAnEmptyBranchIsTheWeightInItsNewType) {
    for (const ql_dtype dtype : {QL_NF4, QL_NF4_DQ, QL_Q4_0, QL_Q4_1, QL_Q8_0, QL_F16, QL_F32}) {
        Graph g;
        ReferenceRun<float> run(g);
        const Shape shape(192, 5), a(192, kR), b(kR, 5);
        const auto leaf = [&](TensorKind kind, Shape s, ql_dtype type, const void * data = nullptr) {
            return g.leaf(kind, "t", type, QL_MAX_DIMS, s.ne.data(), data);
        };
        const std::vector<float> w = case_floats({shape}, 4);
        Tensor * state = leaf(TensorKind::state, shape, dtype);
        Tensor * pa = leaf(TensorKind::param, a, QL_F32);
        Tensor * merged = ql_lora_merge(&g, state, leaf(TensorKind::weight, shape, QL_F32, w.data()), pa,
                                        leaf(TensorKind::param, b, QL_F32), 2);
        run.set(pa, case_floats({a}, 5));
        run.run();
        std::vector<float> want(w.size());
        std::vector<std::byte> packed(state->bytes());
        const DTypeDef & type = *find_dtype(dtype);
        const AlignedBytes memory(packed.size());
        ASSERT_TRUE(type.encode(w.data(), shape.elements(), memory.data()).ok());
        type.decode(memory.data(), shape.elements(), 0, shape.elements(), want.data());
        EXPECT_EQ(run.values(merged), want) << type.name;
        EXPECT_EQ(merged->root(), state);
    }
}

}  // namespace
}  // namespace ql::test
