// A run from its first step to its last: how many steps there are, when it evaluates and saves, what it counts, and
// which ends give no result.
#include <limits>
#include <set>

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

using Steps = std::set<int64_t>;

class TrainerRun : public TrainerFixture {
  protected:
    std::unique_ptr<Trainer> trainer(Adapter & a, const ql_train_options & o) {
        auto made = Trainer::create(*model_, device_.get(), a, data_, &eval_, o);
        EXPECT_TRUE(made.ok()) << made.message();
        return made.ok() ? std::move(made).value() : nullptr;
    }
    /// Runs and returns what was reported.
    std::vector<ql_train_progress> progress(ql_train_options o) {
        std::vector<ql_train_progress> all;
        o.user = &all;
        o.on_progress = [](void * user, const ql_train_progress * p) {
            return static_cast<std::vector<ql_train_progress> *>(user)->push_back(*p), 0;
        };
        train(o);
        return all;
    }
    template <typename Is>
    static Steps steps_that(const std::vector<ql_train_progress> & all, Is is) {
        Steps steps;
        for (const ql_train_progress & p : all)
            if (is(p)) steps.insert(p.step);
        return steps;
    }
    static Steps evaluated(const std::vector<ql_train_progress> & all) {
        return steps_that(all, [](const ql_train_progress & p) { return p.has_eval != 0; });
    }
    int64_t steps_per_epoch() {
        Adapter a = adapter();
        return trainer(a, options())->describe().steps_per_epoch;
    }

    const DevicePtr device_{open_cpu(QL_COMPUTE_AUTO)};
    std::string dir_ = folder_.path("ck");
};

TEST_F(TrainerRun, IsAsManyEpochsAsAreAskedFor) {
    ql_train_options o = options();
    o.steps = 0, o.epochs = 3;
    const auto all = progress(o);
    EXPECT_EQ(static_cast<int64_t>(all.size()), 3 * steps_per_epoch());
    EXPECT_EQ(all.back().epoch, 3);
    EXPECT_EQ(all.back().n_steps, static_cast<int64_t>(all.size()));
}

TEST_F(TrainerRun, EvaluatesWhereItIsDueAndAtTheEnd) {
    ql_train_options o = options();
    o.eval_every = 5;
    EXPECT_EQ(evaluated(progress(o)), (Steps{5, 10, 12}));
    const int64_t epoch = steps_per_epoch();
    o.eval_every = 0, o.steps = 2 * epoch + 1;
    EXPECT_EQ(evaluated(progress(o)), (Steps{epoch, 2 * epoch, 2 * epoch + 1}));
}

TEST_F(TrainerRun, SavesWhereItIsDueAndAtTheEndOfAnEpochAndOfTheRun) {
    const int64_t epoch = steps_per_epoch();
    ql_train_options o = options();
    o.checkpoint_dir = dir_.c_str(), o.save_every = 4, o.steps = epoch + 3, o.overwrite = 1;
    Steps due = {epoch, epoch + 3};
    for (int64_t step = 4; step < o.steps; step += 4) due.insert(step);
    const auto saved = [](const ql_train_progress & p) { return p.checkpointed != 0; };
    EXPECT_EQ(steps_that(progress(o), saved), due);
    o.save_every = 0;
    EXPECT_EQ(steps_that(progress(o), saved), (Steps{epoch, epoch + 3}));
}

std::vector<float> values_of(const Adapter & a) {
    std::vector<float> all;
    for (const LoraMatrix & m : a.matrices)
        all.insert(all.end(), m.a.begin(), m.a.end()), all.insert(all.end(), m.b.begin(), m.b.end());
    return all;
}

TEST_F(TrainerRun, TheAdapterCanBeReadWhileTheRunGoesOn) {
    ql_train_options o = options();
    o.schedule = QL_SCHEDULE_CONSTANT, o.warmup = 0;
    const std::vector<float> whole = train(o);
    o.steps = 6;
    const std::vector<float> six = train(o);
    o.steps = options().steps;
    struct Reader {
        Trainer * trainer = nullptr;
        Adapter * adapter = nullptr;
        std::vector<float> after_six;
    } reader;
    o.user = &reader;
    o.on_progress = [](void * user, const ql_train_progress * p) {
        Reader & r = *static_cast<Reader *>(user);
        if (p->step != 6) return 0;
        EXPECT_TRUE(r.trainer->read_adapter().ok());
        r.after_six = values_of(*r.adapter);
        EXPECT_EQ(r.adapter->origin.runs.back().steps, 6) << "a file of it says so";
        return 0;
    };
    Adapter a = adapter();
    const auto made = trainer(a, o);
    reader.trainer = made.get(), reader.adapter = &a;
    ASSERT_TRUE(made->run().ok());
    EXPECT_EQ(reader.after_six, six);
    EXPECT_EQ(values_of(a), whole) << "reading changes nothing of the run";
}

TEST_F(TrainerRun, CountsItsTokensAndNamesItsFirstAndItsLastLoss) {
    Adapter a = adapter();
    std::vector<ql_train_progress> all;
    ql_train_options o = options();
    o.user = &all;
    o.on_progress = [](void * user, const ql_train_progress * p) {
        return static_cast<std::vector<ql_train_progress> *>(user)->push_back(*p), 0;
    };
    const auto run = trainer(a, o);
    ASSERT_TRUE(run->run().ok());
    const ql_train_summary s = run->summary();
    int64_t tokens = 0;
    for (const ql_train_progress & p : all) EXPECT_EQ(p.total_tokens, tokens += p.tokens) << p.step;
    EXPECT_EQ(s.tokens, tokens);
    EXPECT_EQ(s.steps, 12);
    EXPECT_EQ(s.skipped, 0);
    EXPECT_EQ(s.loss_first, all.front().loss);
    EXPECT_EQ(s.loss_last, all.back().loss);
    EXPECT_NE(s.loss_first, s.loss_last);
}

/// Steps, tokens and losses of a run that goes on are all of what this trainer did.
TEST_F(TrainerRun, AResumedRunSumsUpItsOwnStepsAlone) {
    ql_train_options o = options();
    const std::vector<ql_train_progress> whole = progress(o);
    o.checkpoint_dir = dir_.c_str();
    train_six_steps(o);
    o.resume = "auto";
    Adapter a = adapter();
    const auto run = trainer(a, o);
    EXPECT_TRUE(std::isnan(run->summary().loss_first) && std::isnan(run->summary().loss_last)) << "no step yet";
    ASSERT_TRUE(run->run().ok());
    const ql_train_summary s = run->summary();
    EXPECT_EQ(s.steps, 6);
    EXPECT_EQ(s.loss_first, whole[6].loss);
    EXPECT_EQ(s.loss_last, whole[11].loss);
    EXPECT_NE(whole[0].loss, whole[6].loss);
}

TEST_F(TrainerRun, ACheckpointCountsTheTokensSinceTheFirstStep) {
    ql_train_options o = options();
    o.checkpoint_dir = dir_.c_str();
    train_six_steps(o);
    o.resume = "auto";
    train(o);
    int64_t tokens = 0, counted = 0;
    o.checkpoint_dir = o.resume = nullptr;
    for (const ql_train_progress & p : progress(o)) tokens += p.tokens;
    ql_gguf * file = nullptr;
    ASSERT_EQ(ql_gguf_open((dir_ + "/step-00000012.gguf").c_str(), &file), QL_OK) << ql_error_message();
    EXPECT_EQ(ql_gguf_get_int(file, "ql.checkpoint.total_tokens", &counted), QL_OK);
    ql_gguf_close(file);
    EXPECT_EQ(counted, tokens);
}

TEST_F(TrainerRun, StoppedAtItsLastStepIsAtItsEnd) {
    ql_train_options o = options();
    o.on_progress = [](void *, const ql_train_progress * p) { return p->step == p->n_steps ? 1 : 0; };
    Status status;
    train(o, 2, &status);
    EXPECT_TRUE(status.ok()) << status.message();
}

TEST_F(TrainerRun, CancelledInAStepMakesThatStepAnew) {
    ql_train_options o = options();
    o.grad_accum = 4, o.packing = 0;  // ten steps of four sequences
    const std::vector<float> straight = train(o);
    int asked = 0;
    o.user = &asked;
    o.cancelled = [](void * user) { return ++*static_cast<int *>(user) == 7 ? 1 : 0; };  // in the second step
    Adapter a = adapter();
    const auto run = trainer(a, o);
    EXPECT_EQ(run->run().code(), QL_CANCELLED);
    EXPECT_EQ(run->summary().steps, 1);
    const Status status = run->run();
    ASSERT_TRUE(status.ok()) << status.message();
    std::vector<float> all;
    for (const LoraMatrix & m : a.matrices)
        all.insert(all.end(), m.a.begin(), m.a.end()), all.insert(all.end(), m.b.begin(), m.b.end());
    EXPECT_EQ(all, straight);
}

/// An adapter of zeros has a gradient of exactly 0.
TEST_F(TrainerRun, WithoutAGradientHasDivergedAndSavesNothing) {
    for (const int64_t steps : {3, 50}) {
        Adapter a = adapter();
        for (LoraMatrix & m : a.matrices) std::fill(m.a.begin(), m.a.end(), 0.0f);
        ql_train_options o = options();
        o.steps = steps;
        const std::string dir = folder_.path("ck" + std::to_string(steps));
        o.checkpoint_dir = dir.c_str(), o.save_every = 1;
        const auto run = trainer(a, o);
        const Status status = run->run();
        EXPECT_EQ(status.code(), QL_NON_FINITE);
        EXPECT_NE(status.message().find("gradient is 0"), std::string::npos) << status.message();
        EXPECT_EQ(run->summary().steps, std::min<int64_t>(steps, kMostSkipsInRow));
        EXPECT_EQ(run->summary().checkpoint, std::string());
    }
}

/// Only the first step here has a token to learn: the loss of the others is 0, and so is their gradient.
TEST_F(TrainerRun, WithNothingLeftToLearnHasNotDiverged) {
    for (TokenSample & s : std::span(data_.samples).subspan(1))
        std::fill(s.trained.begin(), s.trained.end(), uint8_t{0});
    ql_train_options o = options();
    o.shuffle = o.packing = 0;
    o.grad_accum = 1;
    Status status;
    train(o, 2, &status);
    EXPECT_TRUE(status.ok()) << status.message();
}

/// The loss over no tokens would be 0: learnt at once, and the best possible.
TEST_F(TrainerRun, WithoutATokenToTrainOrToEvaluateIsNone) {
    const auto refused = [&](const Dataset & empty) {
        Adapter a = adapter();
        const auto made = Trainer::create(*model_, device_.get(), a, data_, &eval_, options());
        EXPECT_EQ(made.code(), QL_INVALID_ARGUMENT);
        EXPECT_EQ(made.message(), empty.path + ": no trained token in the first 64 tokens of its samples");
    };
    for (Dataset * d : {&data_, &eval_}) {
        const Dataset before = *d;
        for (TokenSample & s : d->samples) std::fill(s.trained.begin(), s.trained.end(), uint8_t{0});
        refused(*d);
        *d = before;
    }
}

TEST_F(TrainerRun, ToParametersThatAreNotFiniteIsNoResultAndNoCheckpoint) {
    ql_train_options o = options();
    o.steps = 1;
    o.lr = 3e38;
    o.lora_plus_ratio = 16;
    o.warmup = 0;
    o.checkpoint_dir = dir_.c_str();
    Adapter a = adapter();
    const auto run = trainer(a, o);
    const Status status = run->run();
    EXPECT_EQ(status.code(), QL_NON_FINITE);
    EXPECT_NE(status.message().find("parameters are not finite"), std::string::npos) << status.message();
    EXPECT_EQ(run->summary().checkpoint, std::string());
}

TEST_F(TrainerRun, TheDateThatTheTemplateWasToldTravelsWithTheAdapter) {
    Adapter a = adapter();
    a.chat_date = "1999-12-31";
    trainer(a, options());
    EXPECT_EQ(a.chat_date, "") << "the model's own template asks for none";
    ql_dataset_options o;
    ql_dataset_options_init(&o);
    o.chat_template = "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ m['content'] }}<|im_end|>{% endfor %}";
    o.date = "2025-03-04";
    auto dated = open_dataset({data_.path}, *model_, o);
    ASSERT_TRUE(dated.ok()) << dated.message();
    data_ = std::move(dated).value();
    trainer(a, options());
    EXPECT_EQ(a.chat_date, "2025-03-04");
}

TEST_F(TrainerRun, TakesAsManySequencesAStepAsItsMicroBatchesHold) {
    ql_train_options o = options();
    o.batch = 2, o.grad_accum = 3, o.packing = 0;
    Adapter a = adapter();
    const ql_trainer_info info = trainer(a, o)->describe();
    EXPECT_EQ(info.n_sequences, 40);
    EXPECT_EQ(info.steps_per_epoch, 7);  // of at most 6 sequences
}

}  // namespace
}  // namespace ql::test
