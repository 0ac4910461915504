// Dynamic loss scaling: it follows torch.amp.GradScaler, changes no bit where nothing rounds to f16, and where products do, it
// finds a scale at which gradients are neither Inf nor 0.
#include "models/train/loss_scale.hpp"

#include <array>
#include <cmath>
#include <optional>

#include "ggml/backend/device.hpp"
#include "ggml/dtypes/half.hpp"
#include "models/train/option_ranges.hpp"
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

TEST(LossScales, HalveAtAGradientThatIsNotFiniteAndDoubleAfterGoodSteps) {
    LossScale s{1024, 0};
    s.after_step(false, 3);
    EXPECT_EQ(s.scale, 512);
    for (int i = 0; i < 2; ++i) s.after_step(true, 3);
    EXPECT_EQ(s.scale, 512);
    s.after_step(false, 3);
    EXPECT_EQ(s.scale, 256) << "the good steps are counted anew";
    for (int i = 0; i < 2; ++i) s.after_step(true, 3);
    EXPECT_EQ(s.scale, 256);
    s.after_step(true, 3);
    EXPECT_EQ(s.scale, 512);
}

TEST(LossScales, KeepWithinTheirLimits) {
    LossScale s{kMostLossScale, 0}, low{2, 0}, none;
    s.after_step(true, 1);
    EXPECT_EQ(s.scale, kMostLossScale);
    low.after_step(false, 1);
    EXPECT_FALSE(low.can_fall());
    low.after_step(false, 1);
    EXPECT_EQ(low.scale, kLeastLossScale);
    none.after_step(true, 1);
    EXPECT_EQ(none.scale, 0);
}

/// The CPU with products, and what is fused with them, whose results are rounded to f16.
class F16Products {
  public:
    explicit F16Products(ql_device & device) {
        kernels() = device.backend->kernels;
        backend_ = *device.backend;
        for (size_t i = 0; i < kOpCount; ++i) rows_[i] = backend_.kernels[i];
        round<Op::mul_mat>(), round<Op::mul_mat_t>(), round<Op::mul_mat_sum>(), round<Op::lora>();
        round<Op::lora_back>();
        backend_.kernels = rows_.data();
        device.backend = &backend_;
    }
    F16Products(const F16Products &) = delete;
    F16Products & operator=(const F16Products &) = delete;

  private:
    static const Kernel * const *& kernels() {
        static const Kernel * const * of_cpu = nullptr;
        return of_cpu;
    }
    template <Op op>
    static Status launch(const Launch & l) {
        QL_TRY(kernels()[static_cast<size_t>(op)]->launch(l));
        for (size_t i = 0; i < l.node.out.size(); ++i) {
            auto * y = static_cast<float *>(l.out[i]);
            const int64_t n = l.node.out[i]->shape.elements();
            for (int64_t e = 0; e < n; ++e) y[e] = f16_to_f32(f32_to_f16(y[e]));
        }
        return {};
    }
    template <Op op>
    void round() {
        Kernel & k = rounded_[static_cast<size_t>(op)];
        k = *rows_[static_cast<size_t>(op)];
        k.launch = launch<op>;
        k.reads_bf16 = nullptr, k.writes_bf16 = nullptr;
        rows_[static_cast<size_t>(op)] = &k;
    }

    Backend backend_;
    std::array<Kernel, kOpCount> rounded_;
    std::array<const Kernel *, kOpCount> rows_;
};

class ScaledRuns : public TrainerFixture {
  protected:
    struct Seen {
        std::vector<double> scales;
        std::vector<int64_t> skipped;
    };

    /// As train(), with the scales that its steps had.
    std::vector<float> train_scaled(ql_train_options o, bool f16, Status * result = nullptr) {
        const DevicePtr device(open_cpu(QL_COMPUTE_F32, 2));
        std::optional<F16Products> rounded;
        if (f16) rounded.emplace(*device);
        seen_ = {};
        stop_ = o.user ? 6 : 0;
        o.user = this;
        o.on_progress = [](void * self, const ql_train_progress * p) {
            auto & test = *static_cast<ScaledRuns *>(self);
            test.seen_.scales.push_back(p->loss_scale);
            if (p->skipped) test.seen_.skipped.push_back(p->step);
            return p->step == test.stop_ ? 1 : 0;
        };
        Adapter a = adapter();
        auto trainer = Trainer::create(*model_, device.get(), a, data_, nullptr, o);
        EXPECT_TRUE(trainer.ok()) << trainer.message();
        if (!trainer.ok()) return {};
        const Status s = (*trainer)->run();
        if (result) *result = s;
        EXPECT_TRUE(result || s.ok()) << s.message();
        std::vector<float> all;
        for (const LoraMatrix & m : a.matrices)
            all.insert(all.end(), m.a.begin(), m.a.end()), all.insert(all.end(), m.b.begin(), m.b.end());
        return all;
    }
    static double distance(const std::vector<float> & a, const std::vector<float> & b) {
        double sum = 0;
        for (size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i] - b[i]), 2);
        return std::sqrt(sum);
    }
    ql_train_options scaled(double scale, int64_t interval) const {
        ql_train_options o = options();
        o.loss_scale = scale, o.loss_scale_steps = interval;
        return o;
    }

    Seen seen_;
    std::vector<float> losses_;
    int64_t stop_ = 0;
};

TEST_F(ScaledRuns, HaveTheBitsOfOtherRunsWhereNothingIsRounded) {
    const std::vector<float> expected = train_scaled(options(), false);
    EXPECT_EQ(seen_.scales, std::vector<double>(12, 0));
    EXPECT_EQ(train_scaled(scaled(1024, 5), false), expected);
    EXPECT_EQ(seen_.scales.front(), 1024);
    EXPECT_EQ(seen_.scales.back(), 4096) << "twelve good steps";
    EXPECT_TRUE(seen_.skipped.empty());
}

TEST_F(ScaledRuns, FindTheScaleAtWhichF16Holds) {
    ql_train_options o = scaled(kMostLossScale, 2000);
    o.steps = 20;
    train_scaled(o, true);
    const auto n = static_cast<int64_t>(seen_.skipped.size());
    ASSERT_GT(n, 0) << "the first scale is too large";
    ASSERT_LT(n, 19) << "one was found";
    for (int64_t i = 0; i < n; ++i) EXPECT_EQ(seen_.skipped[static_cast<size_t>(i)], i + 1);
    EXPECT_EQ(seen_.scales.back(), kMostLossScale / std::pow(2, n));
}

/// The norm of the gradient of a micro-batch each of whose tokens counts very little, as among millions of others.
TEST_F(ScaledRuns, KeepGradientsThatF16Loses) {
    const auto norm = [&](bool f16, double scale) {
        const DevicePtr device(open_cpu(QL_COMPUTE_F32, 2));
        std::optional<F16Products> rounded;
        if (f16) rounded.emplace(*device);
        StepOptions o;
        o.n_tokens = 64, o.scales_loss = scale > 0;
        const auto step = TrainStep::create(*model_, device.get(), adapter(), o);
        EXPECT_TRUE(step.ok()) << step.message();
        if (scale > 0) {
            EXPECT_TRUE((*step)->set_loss_scale(scale).ok());
        }
        const auto sequences = pack(data_.samples, sample_order(8, false, 0, 0), 64, true);
        const MicroBatch batch = MicroBatch::from_sequences(std::span(sequences).first(1), 1, 64, 1e-8f);
        float loss = 0, norm = 0;
        EXPECT_TRUE((*step)->accumulate(batch, 1, 0, 0, &loss).ok());
        losses_.push_back(loss);
        const float hyper[QL_HYPER_N] = {1e-3f, 0.9f, 0.999f, 1e-8f, 0, 0.1f, 0.001f, 0};
        EXPECT_TRUE((*step)->update(hyper, &norm).ok());
        return static_cast<double>(norm);
    };
    const double exact = norm(false, 0);
    EXPECT_GT(exact, 0);
    EXPECT_GT(std::abs(norm(true, 0) / exact - 1), 0.2) << "without a scale";
    EXPECT_NEAR(norm(true, 4194304) / exact, 1, 0.02);
    for (const float loss : losses_) EXPECT_NEAR(loss / losses_[0], 1, 0.01) << "the scale is not seen in the loss";
}

TEST_F(ScaledRuns, GoOnWithTheBitsOfAStraightOne) {
    ql_train_options o = scaled(kMostLossScale, 2);
    const std::vector<float> straight = train_scaled(o, true);
    const Seen all = seen_;
    const std::string dir = folder_.path("ck");
    o.checkpoint_dir = dir.c_str();
    o.user = this;  // stops after the sixth step
    Status stopped;
    train_scaled(o, true, &stopped);
    EXPECT_EQ(stopped.code(), QL_CANCELLED) << stopped.message();
    o.resume = "auto", o.user = nullptr;
    EXPECT_EQ(train_scaled(o, true), straight);
    EXPECT_EQ(seen_.scales, std::vector<double>(all.scales.begin() + 6, all.scales.end()));
    o.loss_scale = 1024;
    EXPECT_EQ(start(o).code(), QL_INVALID_ARGUMENT) << "another scale is another run";
}

TEST_F(ScaledRuns, EndWhereNoScaleHelps) {
    Status status;
    ql_train_options o = scaled(2, 2000);
    o.lr = 10;  // the parameters leave f16, and so do the products, whatever the scale
    o.steps = 40;
    train_scaled(o, true, &status);
    EXPECT_EQ(status.code(), QL_NON_FINITE) << status.message();
}

TEST_F(ScaledRuns, OfWhichEveryStepWasSkippedHaveFailed) {
    ql_train_options o = scaled(kMostLossScale, 2000);
    o.steps = 3;
    Status status;
    train_scaled(o, true, &status);
    EXPECT_EQ(seen_.skipped.size(), 3u);
    EXPECT_EQ(status.code(), QL_NON_FINITE);
}

TEST_F(ScaledRuns, RefuseWhatIsNoScale) {
    for (const double scale : {-1.0, 0.5, 3.0, 2 * kMostLossScale, std::nan("")})
        EXPECT_EQ(check_train_options(scaled(scale, 2000)).code(), QL_INVALID_ARGUMENT) << scale;
    EXPECT_EQ(check_train_options(scaled(2, 0)).code(), QL_INVALID_ARGUMENT);
    EXPECT_TRUE(check_train_options(scaled(65536, 2000)).ok());
}

}  // namespace
}  // namespace ql::test
