// The optimizers' references against PyTorch's and bitsandbytes' parameters, and what all of them promise.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "ggml/ops/blockwise_state.hpp"
#include "ql/ql.h"
#include "support/reference_run.hpp"
#include "support/safetensors.hpp"
#include "support/shared.hpp"

namespace ql::test {
namespace {

enum class Kind { adamw, adamw8bit, lion, lion8bit, sgd };
constexpr Kind kAll[] = {Kind::adamw, Kind::adamw8bit, Kind::lion, Kind::lion8bit, Kind::sgd};

/// One parameter with its states, ready to step.
struct Optimizer {
    Graph g;
    int64_t n;
    Tensor *p, *grad, *norm, *hyper;
    std::vector<Tensor *> states;
    ReferenceRun<float> run{g};

    explicit Optimizer(Kind kind, const std::vector<float> & start, float lr_scale = 1)
        : n(static_cast<int64_t>(start.size())) {
        const int64_t one = 1, n_hyper = QL_HYPER_N;
        p = ql_param(&g, "p", 1, &n);
        grad = ql_input(&g, "grad", QL_F32, 1, &n);
        norm = ql_input(&g, "norm", QL_F32, 1, &one);
        hyper = ql_input(&g, "hyper", QL_F32, 1, &n_hyper);
        const bool eight_bits = kind == Kind::adamw8bit || kind == Kind::lion8bit;
        for (int moments = kind == Kind::adamw || kind == Kind::adamw8bit ? 2 : 1; moments > 0; --moments) {
            add_state(eight_bits ? QL_I8 : QL_F32, n);
            if (eight_bits) add_state(QL_F32, state_blocks(n));
        }
        if (!build(kind, lr_scale)) throw std::runtime_error(g.status().message());
        run.set(p, start);
    }
    void add_state(ql_dtype dtype, int64_t size) { states.push_back(ql_state(&g, "state", dtype, 1, &size)); }
    Tensor * build(Kind kind, float lr_scale) {
        const auto & s = states;
        switch (kind) {
            case Kind::adamw:
                return ql_adamw(&g, p, grad, s[0], s[1], norm, hyper, lr_scale);
            case Kind::adamw8bit:
                return ql_adamw8bit(&g, p, grad, s[0], s[1], s[2], s[3], norm, hyper, lr_scale);
            case Kind::lion:
                return ql_lion(&g, p, grad, s[0], norm, hyper, lr_scale);
            case Kind::lion8bit:
                return ql_lion8bit(&g, p, grad, s[0], s[1], norm, hyper, lr_scale);
            case Kind::sgd:
                return ql_sgd(&g, p, grad, s[0], norm, hyper, lr_scale);
        }
        return nullptr;
    }

    void step(int t, const std::vector<float> & gradient, float gradient_norm = 1, float clip = 0) {
        run.set(grad, gradient);
        run.set(norm, std::vector<float>{gradient_norm});
        run.set(hyper, std::vector<float>{lr, b1, b2, eps, decay, 1 - std::pow(b1, static_cast<float>(t)),
                                          static_cast<float>(1 - std::pow(static_cast<double>(b2), t)), clip});
        run.run();
    }
    std::vector<float> values() { return run.values(p); }
    std::vector<float> state_values(size_t i) { return run.values(states[i]); }
    const uint8_t * bytes(size_t i) { return static_cast<const uint8_t *>(run.data(states[i])); }

    float lr = 1e-2f, b1 = 0.9f, b2 = 0.999f, eps = 1e-8f, decay = 0.1f;
};

struct Difference {
    double mean = 0, most = 0;
};
Difference difference(const std::vector<float> & got, const std::vector<float> & expected) {
    EXPECT_EQ(got.size(), expected.size());
    Difference d;
    for (size_t i = 0; i < got.size(); ++i) {
        const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
        d.mean += error / static_cast<double>(got.size());
        d.most = std::max(d.most, error);
    }
    return d;
}

/// Steps through the golden gradients and gives the error of the parameter after each.
std::vector<Difference> follow(Optimizer & o, const SafeTensors & golden, const std::string & name) {
    std::vector<Difference> errors;
    for (int t = 1; t <= 6; ++t) {
        o.step(t, golden.f32("g" + std::to_string(t)));
        errors.push_back(difference(o.values(), golden.f32(name + ".p" + std::to_string(t))));
    }
    return errors;
}

SafeTensors open_golden() {
    return SafeTensors::open(golden_path("optimizers.safetensors"));
}

void take_settings(Optimizer & o, const SafeTensors & golden) {
    const auto settings = nlohmann::json::parse(golden.metadata("adamw"));
    o.lr = settings.at("lr");
    o.decay = settings.at("weight_decay");
    o.eps = settings.at("eps");
    o.b1 = settings.at("betas").at(0);
    o.b2 = settings.at("betas").at(1);
}

TEST(AdamW, StepsAsPyTorchDoes) {
    const SafeTensors golden = open_golden();
    Optimizer o(Kind::adamw, golden.f32("p0"));
    take_settings(o, golden);
    for (const Difference & d : follow(o, golden, "adamw")) EXPECT_LE(d.most, 1e-6);
}

TEST(AdamW8bit, StepsAsBitsandbytesDoesAndKeepsItsVeryCodes) {
    const SafeTensors golden = open_golden();
    Optimizer o(Kind::adamw8bit, golden.f32("p0"));
    take_settings(o, golden);
    for (const Difference & d : follow(o, golden, "adamw8bit")) EXPECT_LE(d.mean, 1e-6);
    const std::string names[] = {"state1", "absmax1", "state2", "absmax2"};
    for (size_t i = 0; i < 4; i += 2) {
        const std::vector<uint8_t> codes = golden.u8("adamw8bit." + names[i]);
        ASSERT_EQ(codes.size(), static_cast<size_t>(o.n));
        EXPECT_EQ(std::memcmp(codes.data(), o.bytes(i), codes.size()), 0) << names[i];
        const auto absmax = golden.f32("adamw8bit." + names[i + 1]), got = o.state_values(i + 1);
        ASSERT_EQ(got.size(), absmax.size());
        for (size_t b = 0; b < got.size(); ++b) EXPECT_NEAR(got[b], absmax[b], 2e-5 * absmax[b]);
    }
}

TEST(Lion, StepsAsBitsandbytesDoes) {
    const SafeTensors golden = open_golden();
    Optimizer o(Kind::lion, golden.f32("p0"));
    o.lr = 1e-3f, o.b2 = 0.99f, o.decay = 0.1f;
    for (const Difference & d : follow(o, golden, "lion")) EXPECT_LE(d.most, 1e-6);
}

/// A number near its block's largest is off by half of 0.9 / 64 of that, and six roundings add up at most.
TEST(Lion8bit, FollowsLion) {
    const SafeTensors golden = open_golden();
    Optimizer o(Kind::lion8bit, golden.f32("p0")), full(Kind::lion, golden.f32("p0"));
    o.lr = full.lr = 1e-3f, o.b2 = full.b2 = 0.99f;
    for (int t = 1; t <= 6; ++t) o.step(t, golden.f32("g" + std::to_string(t)));
    for (int t = 1; t <= 6; ++t) full.step(t, golden.f32("g" + std::to_string(t)));
    const auto absmax = o.state_values(1), m = full.state_values(0), p = full.values(), got = o.values();
    size_t other = 0;
    for (size_t i = 0; i < m.size(); ++i) {
        EXPECT_NEAR(kDynamicMapSigned[o.bytes(0)[i]] * absmax[i / 256], m[i], 6 * 0.45 / 64 * absmax[i / 256]);
        other += std::abs(got[i] - p[i]) > 1e-6f;
    }
    EXPECT_LE(other, m.size() / 100);
}

TEST(Sgd, AddsUpAMomentum) {
    Optimizer o(Kind::sgd, {1, -2});
    o.lr = 0.5f, o.decay = 0.25f;
    o.step(1, {3, 4});
    EXPECT_NEAR(o.values()[0], 1 * 0.875 - 0.5 * 3, 1e-6);
    o.step(2, {1, 1});
    EXPECT_NEAR(o.state_values(0)[1], 0.9 * 4 + 1, 1e-6);
    EXPECT_NEAR(o.values()[1], (-2 * 0.875 - 0.5 * 4) * 0.875 - 0.5 * 4.6, 1e-6);
}

TEST(Optimizers, SkipTheStepWhenTheNormIsNotFinite) {
    for (const Kind kind : kAll)
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
            Optimizer o(kind, {1, 2, 3});
            o.step(1, {1, 1, 1});
            std::vector<std::vector<float>> before = {o.values()};
            for (size_t i = 0; i < o.states.size(); ++i) before.push_back(o.state_values(i));
            o.step(2, {bad, 1, 1}, bad, 1);
            EXPECT_EQ(o.values(), before[0]) << static_cast<int>(kind);
            for (size_t i = 0; i < o.states.size(); ++i)
                EXPECT_EQ(o.state_values(i), before[i + 1]) << static_cast<int>(kind);
        }
}

TEST(AdamW, ClipsByTheGlobalNormOnlyAboveTheLimit) {
    Optimizer o(Kind::adamw, {1, 2}), below(Kind::adamw, {1, 2});
    o.step(1, {3, 4}, 5, 0.5f);
    below.step(1, {3, 4}, 5, 6);
    EXPECT_NEAR(o.state_values(0)[1], 0.1 * 0.4, 1e-7);
    EXPECT_NEAR(below.state_values(0)[1], 0.1 * 4, 1e-7);
}

TEST(Optimizers, ClipByTheGlobalNorm) {
    for (const Kind kind : {Kind::lion, Kind::sgd}) {
        Optimizer o(kind, {1, 2}), whole(kind, {1, 2});
        o.step(1, {3, 4}, 5, 0.5f);
        whole.step(1, {3, 4}, 5, 6);
        EXPECT_NEAR(o.state_values(0)[1], 0.1 * whole.state_values(0)[1], 1e-6);
    }
    for (const Kind kind : {Kind::adamw8bit, Kind::lion8bit}) {  // the first state's scale is that of the moment
        Optimizer o(kind, {1, 2}), whole(kind, {1, 2});
        o.step(1, {3, 4}, 5, 0.5f);
        whole.step(1, {3, 4}, 5, 6);
        EXPECT_NEAR(o.state_values(1)[0], 0.1 * whole.state_values(1)[0], 1e-6);
    }
}

TEST(Optimizers, ScaleTheLearningRateOfATensor) {
    for (const Kind kind : kAll) {
        Optimizer plain(kind, {1, 2}), scaled(kind, {1, 2}, 16);
        plain.lr = 16e-3f;
        scaled.lr = 1e-3f;
        plain.step(1, {3, -4});
        scaled.step(1, {3, -4});
        EXPECT_GT(std::abs(plain.values()[0] - 1), 1e-3) << static_cast<int>(kind);
        EXPECT_LE(difference(plain.values(), scaled.values()).most, 1e-6) << static_cast<int>(kind);
    }
}

/// Without a gradient there is no step, and the decay remains: it is not a part of the gradient anywhere.
TEST(Optimizers, DecayApartFromTheGradient) {
    for (const Kind kind : kAll) {
        Optimizer o(kind, {1, -2});
        for (int t = 1; t <= 3; ++t) o.step(t, {0, 0});
        const double kept = std::pow(1 - 1e-2 * 0.1, 3);
        EXPECT_LE(difference(o.values(), {static_cast<float>(kept), static_cast<float>(-2 * kept)}).most, 1e-6)
            << static_cast<int>(kind);
    }
}

}  // namespace
}  // namespace ql::test
