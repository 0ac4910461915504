// Every input of every differentiable operator, at every case: central differences in f64.
#include "support/gradient_check.hpp"
#include "support/gradient_case.hpp"

namespace ql::test {
namespace {

class GradientCheck : public testing::TestWithParam<OpCase> {};

TEST_P(GradientCheck, AgreesWithCentralDifferences) {
    const uint64_t seed = 17;
    LossOfCase g(GetParam(), seed);
    if (!g.loss) GTEST_SKIP() << "a case without trainable inputs";
    const double flops = flops_of(*g.of.out->producer) + static_cast<double>(g.of.out->shape.elements());

    ReferenceRun<double> run(g.of.graph);
    run.fill(g.of, seed);
    check_gradients(g.of.graph, run, g.loss, g.params, static_cast<int64_t>(std::clamp(2e8 / flops, 24.0, 4000.0)));
}

INSTANTIATE_TEST_SUITE_P(Operators, GradientCheck, testing::ValuesIn(differentiable_cases()),
                         [](const auto & info) { return op_case_name(info.param); });

TEST(GradientCheckCoverage, EveryDifferentiableInputIsTrainableInSomeCase) {
    for (const OpDef * def : kOps) {
        uint32_t covered = 0;
        for (const Case & c : def->cases())
            for (size_t i = 0; i < c.in.size(); ++i)
                if (i < 32 && c.in[i].kind == TensorKind::param) covered |= 1u << i;
        EXPECT_EQ(def->differentiable & ~covered, 0u) << def->name;
    }
}

}  // namespace
}  // namespace ql::test
