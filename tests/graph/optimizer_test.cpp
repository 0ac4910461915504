// The AdamW reference against PyTorch's parameters, and its clipping and skipping.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "ql/ql.h"
#include "support/reference_run.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"

namespace ql::test {
namespace {

/// One parameter with its moments, ready to step.
struct Optimizer {
    Graph g;
    Tensor *p, *grad, *m, *v, *norm, *hyper;
    ReferenceRun<float> run{g};

    explicit Optimizer(std::vector<float> start, float lr_scale = 1) {
        const auto n = static_cast<int64_t>(start.size());
        const int64_t one = 1, n_hyper = QL_HYPER_N;
        p = ql_param(&g, "p", 1, &n);
        grad = ql_input(&g, "grad", QL_F32, 1, &n);
        m = ql_state(&g, "m", QL_F32, 1, &n);
        v = ql_state(&g, "v", QL_F32, 1, &n);
        norm = ql_input(&g, "norm", QL_F32, 1, &one);
        hyper = ql_input(&g, "hyper", QL_F32, 1, &n_hyper);
        if (!ql_adamw(&g, p, grad, m, v, norm, hyper, lr_scale)) throw std::runtime_error(g.status().message());
        run.set(p, start);
    }
    void step(int t, const std::vector<float> & gradient, float gradient_norm = 1, float clip = 0) {
        run.set(grad, gradient);
        run.set(norm, std::vector<float>{gradient_norm});
        run.set(hyper, std::vector<float>{lr, b1, b2, eps, decay, 1 - std::pow(b1, static_cast<float>(t)),
                                          static_cast<float>(1 - std::pow(static_cast<double>(b2), t)), clip});
        run.run();
    }
    float lr = 1e-2f, b1 = 0.9f, b2 = 0.999f, eps = 1e-8f, decay = 0.1f;
};

TEST(AdamW, StepsAsPyTorchDoes) {
    const SafeTensors golden = SafeTensors::open(golden_path("optimizers.safetensors"));
    const auto settings = nlohmann::json::parse(golden.metadata("adamw"));
    Optimizer o(golden.f32("p0"));
    o.lr = settings.at("lr");
    o.decay = settings.at("weight_decay");
    o.eps = settings.at("eps");
    o.b1 = settings.at("betas").at(0);
    o.b2 = settings.at("betas").at(1);
    for (int t = 1; t <= 6; ++t) {
        o.step(t, golden.f32("g" + std::to_string(t)));
        const auto got = o.run.values(o.p), expected = golden.f32("adamw.p" + std::to_string(t));
        ASSERT_EQ(got.size(), expected.size());
        float worst = 0;
        for (size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got[i] - expected[i]));
        EXPECT_LE(worst, 1e-6f) << "step " << t;
    }
}

TEST(AdamW, SkipsTheStepWhenTheNormIsNotFinite) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        Optimizer o({1, 2, 3});
        o.step(1, {1, 1, 1});
        const auto p = o.run.values(o.p), m = o.run.values(o.m), v = o.run.values(o.v);
        o.step(2, {bad, 1, 1}, bad, 1);
        EXPECT_EQ(o.run.values(o.p), p);
        EXPECT_EQ(o.run.values(o.m), m);
        EXPECT_EQ(o.run.values(o.v), v);
    }
}

TEST(AdamW, ClipsByTheGlobalNormOnlyAboveTheLimit) {
    Optimizer o({1, 2}), below({1, 2});
    o.step(1, {3, 4}, 5, 0.5f);
    below.step(1, {3, 4}, 5, 6);
    EXPECT_NEAR(o.run.values(o.m)[1], 0.1 * 0.4, 1e-7);
    EXPECT_NEAR(below.run.values(below.m)[1], 0.1 * 4, 1e-7);
}

TEST(AdamW, ScalesTheLearningRateOfATensor) {
    Optimizer plain({1, 2}), scaled({1, 2}, 16);
    plain.lr = 16e-3f;
    scaled.lr = 1e-3f;
    plain.step(1, {3, -4});
    scaled.step(1, {3, -4});
    for (size_t i = 0; i < 2; ++i) EXPECT_NEAR(plain.run.values(plain.p)[i], scaled.run.values(scaled.p)[i], 1e-6);
}

}  // namespace
}  // namespace ql::test
