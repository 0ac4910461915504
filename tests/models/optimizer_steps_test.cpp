// What an optimizer step of a run is made of: which gradients it sums, which rate it takes, how it is counted.
#include <algorithm>
#include <cmath>

#include "models/train/neftune.hpp"
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

/// Numbers of an adapter before and after a run.
struct Change {
    Adapter before, after;

    /// The largest change of an element of every A, or of every B.
    float largest(std::vector<float> LoraMatrix::*half) const {
        float most = 0;
        for (size_t i = 0; i < before.matrices.size(); ++i) {
            const auto &x = before.matrices[i].*half, &y = after.matrices[i].*half;
            for (size_t e = 0; e < x.size(); ++e) most = std::max(most, std::abs(y[e] - x[e]));
        }
        return most;
    }
};

class OptimizerSteps : public TrainerFixture {
  protected:
    /// No warm-up, no decay, no packing, and samples in the file's order: a step depends on its samples alone.
    ql_train_options bare() const {
        ql_train_options o = options();
        o.schedule = QL_SCHEDULE_CONSTANT;
        o.warmup = 0;
        o.weight_decay = 0;
        o.grad_accum = 1;
        o.packing = o.shuffle = 0;
        return o;
    }

    /// Like adapter(), but both halves are drawn, so that both have a gradient.
    Adapter drawn_adapter() const {
        Adapter a = adapter();
        for (LoraMatrix & m : a.matrices)
            for (size_t i = 0; i < m.b.size(); ++i)
                m.b[i] = 0.02f * static_cast<float>(static_cast<int>(i * 7 % 11) - 5);
        return a;
    }

    /// The loss of the evaluation data before the first step.
    double evaluation(const ql_train_options & o) {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        Adapter a = drawn_adapter();
        const auto trainer = Trainer::create(*model_, device.get(), a, data_, &eval_, o);
        if (!trainer.ok()) return ADD_FAILURE() << trainer.message(), NAN;
        double loss = NAN;
        int64_t tokens = 0;
        EXPECT_TRUE((*trainer)->evaluate(loss, tokens).ok());
        return loss;
    }

    Change change(const ql_train_options & o) {
        Change c{drawn_adapter(), drawn_adapter()};
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        const auto trainer = Trainer::create(*model_, device.get(), c.after, data_, nullptr, o);
        EXPECT_TRUE(trainer.ok()) << trainer.message();
        if (!trainer.ok()) return c;
        const Status status = (*trainer)->run();
        EXPECT_TRUE(status.ok()) << status.message();
        return c;
    }
};

TEST_F(OptimizerSteps, DropoutIsOfTheSeedAndNotInTheEvaluation) {
    ql_train_options with = bare();
    with.steps = 1;
    with.lora_dropout = 0.4;
    ql_train_options without = with, other_seed = with;
    without.lora_dropout = 0;
    other_seed.seed = 43;
    EXPECT_NE(train(with), train(without));
    EXPECT_NE(train(with), train(other_seed));
    EXPECT_EQ(evaluation(with), evaluation(without));
}

TEST_F(OptimizerSteps, DropoutIsAnotherForEverySeedStepAndPlaceInAStep) {
    StepOptions options;
    options.n_tokens = 64;
    options.dropout = 0.4f;
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    const auto step = TrainStep::create(*model_, device.get(), drawn_adapter(), options);
    ASSERT_TRUE(step.ok()) << step.message();
    const auto sequences = pack(data_.samples, {0}, 64, false);
    const MicroBatch batch = MicroBatch::from_sequences(sequences, 1, 64, 1.0f);
    const auto loss = [&](uint64_t seed, int64_t number, int64_t offset) {
        float value = 0;
        EXPECT_TRUE((*step)->accumulate(batch, seed, number, offset, &value).ok());
        return value;
    };
    EXPECT_EQ(loss(1, 2, 3), loss(1, 2, 3));
    EXPECT_NE(loss(1, 2, 3), loss(1, 3, 3));
    EXPECT_NE(loss(1, 2, 3), loss(1, 2, 64));
    EXPECT_NE(loss(1, 2, 3), loss(2, 2, 3));
    EXPECT_NE(loss(1, 2, 3), loss(uint64_t{1} | uint64_t{1} << 32, 2, 3));
}

TEST_F(OptimizerSteps, NeftuneIsOfTheSeedAndNotInTheEvaluation) {
    ql_train_options with = bare();
    with.steps = 1;
    with.neftune_alpha = 5;
    ql_train_options without = with, other_seed = with, stronger = with;
    without.neftune_alpha = 0;
    other_seed.seed = 43;
    stronger.neftune_alpha = 6;
    const std::vector<float> trained = train(with);
    EXPECT_NE(trained, train(without));
    EXPECT_NE(trained, train(other_seed));
    EXPECT_NE(trained, train(stronger));
    EXPECT_EQ(trained, train(with, 1));
    EXPECT_EQ(evaluation(with), evaluation(without));
}

TEST_F(OptimizerSteps, NeftuneOfAMicroBatchIsThatOfItsPlaceInTheLargeBatch) {
    ql_train_options o = bare();
    o.steps = 3;
    o.neftune_alpha = 5;
    o.eps = 1e-3;
    o.batch = 4;
    const std::vector<float> large = train(o);
    ql_train_options without = o;
    without.neftune_alpha = 0;
    EXPECT_GE(std::sqrt(nmse(train(without), large)), 1e-2);  // what other noise would make
    for (const int64_t batch : {1, 2}) {
        o.batch = batch, o.grad_accum = 4 / batch;
        EXPECT_LE(std::sqrt(nmse(train(o), large)), 1e-3) << "micro-batches of " << batch;
    }
}

TEST(Neftune, AmplitudesAreThoseOfEachSamplesLength) {
    const TokenSample three{1, {1, 2, 3}, {1, 1, 1}}, two{2, {4, 5}, {1, 1}};
    const auto sequences = pack({three, two, three}, {0, 1, 2}, 6, true);
    ASSERT_EQ(sequences.size(), 2u);
    const MicroBatch batch = MicroBatch::from_sequences(sequences, 3, 6, 1.0f);
    const auto of = [](double n) { return static_cast<float>(5 / std::sqrt(n * 64)); };
    const float a = of(3), b = of(2);
    EXPECT_EQ(neftune_amplitudes(batch, 5, 64),
              (std::vector<float>{a, a, a, b, b, 0, a, a, a, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST_F(OptimizerSteps, DropoutOfAMicroBatchIsThatOfItsPlaceInTheLargeBatch) {
    ql_train_options o = bare();
    o.steps = 3;
    o.lora_dropout = 0.4;
    o.eps = 1e-3;  // so that a tiny gradient's rounding is not blown up to a whole step
    o.batch = 4;
    const std::vector<float> large = train(o);
    for (const int64_t batch : {1, 2}) {
        o.batch = batch, o.grad_accum = 4 / batch;
        // Products in bf16 sum in another order for another number of tokens; another dropout is another run.
        EXPECT_LE(std::sqrt(nmse(train(o), large)), 1e-3) << "micro-batches of " << batch;
    }
}

/// Before the first step the adapter is the base model: what the step reports is what an evaluation would.
TEST_F(OptimizerSteps, TheLossIsTheMeanOverTheTrainedTokensOfTheWholeStep) {
    data_.samples.resize(5);
    eval_ = data_;
    ql_train_options o = bare();
    o.steps = 1;
    o.batch = 2, o.grad_accum = 3;
    ql_train_progress first{};
    o.user = &first;
    o.on_progress = [](void * user, const ql_train_progress * p) {
        return *static_cast<ql_train_progress *>(user) = *p, 0;
    };
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    Adapter a = adapter();
    const auto trainer = Trainer::create(*model_, device.get(), a, data_, &eval_, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    double loss = 0;
    int64_t tokens = 0;
    ASSERT_TRUE((*trainer)->evaluate(loss, tokens).ok());
    EXPECT_EQ(tokens, data_.n_trained());
    ASSERT_TRUE((*trainer)->run().ok());
    EXPECT_NEAR(first.loss, loss, 1e-5 * loss);
    EXPECT_EQ(first.tokens, data_.n_tokens());
    EXPECT_EQ(first.eval_tokens, data_.n_trained());
}

/// AdamW's first step moves every element by its rate, whatever the gradient's size.
TEST_F(OptimizerSteps, LoraPlusRaisesTheRateOfBAlone) {
    ql_train_options o = bare();
    o.steps = 1;
    o.lr = 1e-4;
    for (const double ratio : {1.0, 16.0}) {
        o.lora_plus_ratio = ratio;
        const Change c = change(o);
        EXPECT_NEAR(c.largest(&LoraMatrix::a), o.lr, 0.01 * o.lr);
        EXPECT_NEAR(c.largest(&LoraMatrix::b), ratio * o.lr, 0.01 * ratio * o.lr);
    }
}

TEST_F(OptimizerSteps, TheRateIsThatOfTheSchedule) {
    ql_train_options o = bare();
    o.steps = 1;
    o.lr = 1e-4;
    o.warmup = 4;  // cut to the number of steps there are: the first has the whole rate
    EXPECT_NEAR(change(o).largest(&LoraMatrix::a), o.lr, 0.01 * o.lr);
    o.steps = 2;
    o.warmup = 2;
    o.beta1 = o.beta2 = 0;  // then every step is the rate times the gradient's sign
    std::vector<double> rates;
    o.user = &rates;
    o.on_progress = [](void * user, const ql_train_progress * p) {
        return static_cast<std::vector<double> *>(user)->push_back(p->lr), 0;
    };
    EXPECT_NEAR(change(o).largest(&LoraMatrix::a), 1.5 * o.lr, 0.02 * o.lr);
    EXPECT_EQ(rates, (std::vector<double>{0.5 * o.lr, o.lr}));
}

TEST_F(OptimizerSteps, DecayDrawsTheParametersToZero) {
    ql_train_options o = bare();
    o.steps = 1;
    const Change plain = change(o);
    o.weight_decay = 0.5;
    const Change decayed = change(o);
    for (size_t i = 0; i < plain.after.matrices.size(); ++i)
        for (size_t e = 0; e < plain.after.matrices[i].a.size(); ++e) {
            const double p = plain.before.matrices[i].a[e];
            EXPECT_NEAR(decayed.after.matrices[i].a[e] - plain.after.matrices[i].a[e], -o.lr * 0.5 * p, 1e-7);
        }
}

/// With the moments off a step is the rate times g / (|g| + eps), which for a large eps is the clipped gradient itself.
TEST_F(OptimizerSteps, ClippingBoundsTheWholeGradient) {
    ql_train_options o = bare();
    o.steps = 1;
    o.beta1 = o.beta2 = 0;
    o.eps = 1e3;
    o.lr = 1;
    o.clip = 0.01;
    const Change c = change(o);
    double norm = 0;
    for (size_t i = 0; i < c.before.matrices.size(); ++i)
        for (const auto half : {&LoraMatrix::a, &LoraMatrix::b})
            for (size_t e = 0; e < (c.before.matrices[i].*half).size(); ++e) {
                const double d = static_cast<double>((c.after.matrices[i].*half)[e]) - (c.before.matrices[i].*half)[e];
                norm += d * d;
            }
    EXPECT_NEAR(std::sqrt(norm) * o.eps, o.clip, 0.05 * o.clip);
}

}  // namespace
}  // namespace ql::test
