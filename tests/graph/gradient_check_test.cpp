// Every input of every differentiable operator, at every case: central differences in f64.
#include "support/gradient_check.hpp"
#include "ggml/ops/params.hpp"

namespace ql::test {
namespace {

struct OpCase {
    const OpDef * def;
    Case c;
};

std::vector<OpCase> differentiable_cases() {
    std::vector<OpCase> list;
    for (const OpDef * def : kOps)
        if (def->backward)
            for (const Case & c : def->cases()) list.push_back({def, c});
    return list;
}

std::string test_name(const testing::TestParamInfo<OpCase> & info) {
    std::string name = std::string(info.param.def->name) + "_" + info.param.c.name;
    for (char & ch : name)
        if (!std::isalnum(static_cast<unsigned char>(ch))) ch = '_';
    return name;
}

class GradientCheck : public testing::TestWithParam<OpCase> {};

TEST_P(GradientCheck, AgreesWithCentralDifferences) {
    const auto & [def, c] = GetParam();
    const uint64_t seed = 17;
    CaseGraph g(*def, c, seed);
    std::vector<Tensor *> params;
    for (size_t i = 0; i < g.leaves.size(); ++i)
        if (g.leaves[i]->kind == TensorKind::param && (def->differentiable >> i & 1)) params.push_back(g.leaves[i]);
    if (params.empty()) GTEST_SKIP() << "a case without trainable inputs";

    // loss = sum of random weights times the first result
    const int64_t n = g.out->shape.elements();
    const std::vector<float> random = case_floats({Shape(n)}, 99);
    Tensor * weights = g.graph.leaf(TensorKind::weight, "weights", QL_F32, 1, &n, random.data());
    const double flops = (def->flops ? def->flops(*g.out->producer) : static_cast<double>(n)) + static_cast<double>(n);
    Tensor * flat = g.graph.emit(op::reshape, {g.out}, ReshapeParams{Shape(n)});
    Tensor * loss = g.graph.emit(op::mul_mat, {weights, flat});
    ASSERT_NE(loss, nullptr) << g.graph.status().message();

    ReferenceRun<double> run(g.graph);
    run.fill(g, seed);
    check_gradients(g.graph, run, loss, params, static_cast<int64_t>(std::clamp(2e8 / flops, 24.0, 4000.0)));
}

INSTANTIATE_TEST_SUITE_P(Operators, GradientCheck, testing::ValuesIn(differentiable_cases()), test_name);

TEST(GradientCheckCoverage, EveryDifferentiableInputIsTrainableInSomeCase) {
    for (const OpDef * def : kOps) {
        uint32_t covered = 0;
        for (const Case & c : def->cases())
            for (size_t i = 0; i < c.in.size(); ++i)
                if (c.in[i].kind == TensorKind::param) covered |= 1u << i;
        EXPECT_EQ(def->differentiable & ~covered, 0u) << def->name;
    }
}

}  // namespace
}  // namespace ql::test
