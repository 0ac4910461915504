// Runs that are over: what may follow them in their folder, and how they go on for longer.
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

class ExtendedRun : public TrainerFixture {
  protected:
    ql_train_options run(int64_t steps) {
        ql_train_options o = options();
        o.steps = steps, o.checkpoint_dir = dir_.c_str(), o.save_every = 4, o.keep = 9, o.user = &log_;
        o.on_log = [](void * log, const char * line) { *static_cast<std::string *>(log) += std::string(line) + "\n"; };
        return o;
    }
    /// The rates of the steps that a run does.
    std::vector<double> rates(ql_train_options o) {
        struct Heard {
            std::vector<double> rates;
            std::string log;
        } heard;
        o.user = &heard;
        o.on_log = [](void * h, const char * line) { static_cast<Heard *>(h)->log += std::string(line) + "\n"; };
        o.on_progress = [](void * h, const ql_train_progress * p) {
            static_cast<Heard *>(h)->rates.push_back(p->lr);
            return 0;
        };
        train(o);
        log_ = heard.log;
        return heard.rates;
    }
    std::string dir_ = folder_.path("ck"), log_;
};

TEST_F(ExtendedRun, TheRateStartsAgainOverWhatIsAdded) {
    const auto first = rates(run(12));
    ql_train_options o = run(24);
    o.resume = "auto";
    EXPECT_EQ(rates(o), first);
    EXPECT_NE(log_.find("extended by 12 steps: the learning rate starts again"), std::string::npos) << log_;
}

TEST_F(ExtendedRun, AConstantRateGoesOnAsInTheLongerRun) {
    ql_train_options longer = run(24);
    longer.schedule = QL_SCHEDULE_CONSTANT, longer.warmup = 3, longer.checkpoint_dir = nullptr;
    const std::vector<float> whole = train(longer);
    ql_train_options o = run(12);
    o.schedule = QL_SCHEDULE_CONSTANT, o.warmup = 3;
    train(o);
    o.steps = 24, o.resume = "auto";
    EXPECT_EQ(train(o), whole);
    EXPECT_NE(log_.find("the learning rate goes on"), std::string::npos) << log_;
}

TEST_F(ExtendedRun, ResumesToTheSameBits) {
    train(run(12));
    std::filesystem::copy(dir_, folder_.path("copy"), std::filesystem::copy_options::recursive);
    ql_train_options o = run(24);
    o.resume = "auto";
    const std::vector<float> whole = train(o);
    const std::string copy = folder_.path("copy");
    o.checkpoint_dir = copy.c_str();
    o.on_progress = [](void *, const ql_train_progress * p) { return p->step == 17 ? 1 : 0; };
    Status stopped;
    train(o, 2, &stopped);
    EXPECT_EQ(stopped.code(), QL_CANCELLED);
    o.on_progress = nullptr;
    std::string resumed;
    EXPECT_EQ(train(o, 1, nullptr, &resumed), whole);
    EXPECT_TRUE(resumed.ends_with("step-00000017.gguf")) << resumed;
}

TEST_F(ExtendedRun, AnEarlierCheckpointIsGoneBackTo) {
    const std::vector<float> whole = train(run(12));
    const std::string fourth = dir_ + "/step-00000004.gguf", eighth = dir_ + "/step-00000008.gguf";
    ql_train_options o = run(12);
    o.resume = fourth.c_str();
    std::string resumed;
    EXPECT_TRUE(start(o, &resumed, &eval_).ok());
    EXPECT_EQ(resumed, fourth);
    EXPECT_TRUE(std::filesystem::exists(eighth)) << "no step has begun";
    o.on_progress = [](void *, const ql_train_progress * p) { return p->step == 5 ? 1 : 0; };
    Status stopped;
    train(o, 2, &stopped);
    EXPECT_EQ(stopped.code(), QL_CANCELLED);
    EXPECT_FALSE(std::filesystem::exists(eighth)) << "the next resume would pass over what was done since";
    o.on_progress = nullptr;
    const std::string other = folder_.path("other");  // also from elsewhere
    o.checkpoint_dir = other.c_str();
    EXPECT_EQ(train(o), whole);
    EXPECT_TRUE(std::filesystem::exists(other + "/step-00000008.gguf"));
    folder_.write("no-checkpoint", "a text that is long enough for a header, and then some more of it");
    const std::string none = folder_.path("no-checkpoint");
    o.resume = none.c_str();
    EXPECT_EQ(start(o).code(), QL_BAD_FILE);
}

TEST_F(ExtendedRun, AnEarlierEndThatIsAskedForAgainDeletesNothing) {
    train(run(12));
    ql_train_options o = run(24);
    o.resume = "auto";
    train(o);
    const std::string end = dir_ + "/step-00000012.gguf";
    o = run(12), o.resume = end.c_str();
    std::string resumed;
    train(o, 1, nullptr, &resumed);
    EXPECT_EQ(resumed, end);
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/step-00000024.gguf"));
}

TEST_F(ExtendedRun, StoppedBeforeItsFirstStepKeepsTheOnlyCheckpoint) {
    ql_train_options o = run(12);
    o.keep = 1;
    train(o);
    o.steps = 24, o.resume = "auto";
    o.cancelled = [](void *) { return 1; };
    Status stopped;
    train(o, 1, &stopped);
    EXPECT_EQ(stopped.code(), QL_CANCELLED) << stopped.message();
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/step-00000012.gguf"));
}

TEST_F(ExtendedRun, ARunThatHasNotEndedIsNotExtended) {
    train_six_steps(run(12));
    ql_train_options o = run(24);
    o.resume = "auto";
    const Status refused = start(o);
    EXPECT_EQ(refused.code(), QL_INVALID_ARGUMENT);
    EXPECT_NE(refused.message().find("that has not ended"), std::string::npos) << refused.message();
}

TEST_F(ExtendedRun, CheckpointsOfARunThatHasEndedMayGo) {
    train(run(12));
    EXPECT_EQ(start(run(12)).code(), QL_INVALID_ARGUMENT);
    ql_train_options o = run(8);
    o.overwrite = QL_OVERWRITE_FINISHED;
    train(o);
    EXPECT_NE(log_.find("starts anew"), std::string::npos) << log_;
    EXPECT_FALSE(std::filesystem::exists(dir_ + "/step-00000012.gguf"));
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/step-00000008.gguf"));
}

TEST_F(ExtendedRun, CheckpointsOfARunThatHasNotEndedStay) {
    train_six_steps(run(12));
    ql_train_options o = run(12);
    o.overwrite = QL_OVERWRITE_FINISHED;
    EXPECT_EQ(start(o).code(), QL_INVALID_ARGUMENT);
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/step-00000006.gguf"));
}

TEST_F(ExtendedRun, CheckpointsAreRemovedOnlyAtTheEnd) {
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    Adapter a = adapter();
    auto trainer = Trainer::create(*model_, device.get(), a, data_, nullptr, run(12));
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    EXPECT_EQ((*trainer)->remove_checkpoints().code(), QL_INVALID_ARGUMENT);
    ASSERT_TRUE((*trainer)->run().ok());
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/step-00000012.gguf"));
    folder_.write("ck/notes.txt", "mine");
    ASSERT_TRUE((*trainer)->remove_checkpoints().ok());
    trainer->reset();
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/notes.txt"));
    EXPECT_FALSE(std::filesystem::exists(dir_ + "/step-00000012.gguf"));
}

/// Evaluations that get no better: the rate is 0.
TEST_F(ExtendedRun, EndsEarlyWhereNothingIsGained) {
    ql_train_options o = run(12);
    o.eval_every = 2, o.early_stop = 2, o.lr = 1e-30;
    const auto early = rates(o);
    EXPECT_EQ(early.size(), 6u);  // the first is the best, two more are in vain
    EXPECT_NE(log_.find("ended    early: 2 evaluations"), std::string::npos) << log_;
    EXPECT_TRUE(std::filesystem::exists(dir_ + "/step-00000006.gguf"));
    o.resume = "auto";
    EXPECT_EQ(rates(o).size(), 0u);  // it is over
    o.steps = 20;
    EXPECT_EQ(rates(o).size(), 4u);  // begins to count anew, from the best so far
}

TEST_F(ExtendedRun, MorePatienceGoesOnAsFromTheStart) {
    for (const int64_t patience : {4, 0}) {
        ql_train_options o = run(12);
        o.eval_every = 2, o.early_stop = patience, o.lr = 1e-30, o.overwrite = 1;
        const auto whole = rates(o);
        EXPECT_EQ(whole.size(), patience ? 10u : 12u);
        o.early_stop = 2;
        EXPECT_EQ(rates(o).size(), 6u);
        o.resume = "auto", o.overwrite = 0;
        EXPECT_EQ(rates(o).size(), 0u);
        EXPECT_NE(log_.find("the run has ended early, after step 6: it goes on for more --epochs or --steps, or with a "
                            "larger --early-stop"),
                  std::string::npos)
            << log_;
        o.early_stop = patience;
        EXPECT_EQ(rates(o), std::vector<double>(whole.begin() + 6, whole.end()));
        EXPECT_NE(log_.find("after its early end: evaluations without a lower loss so far: 2"), std::string::npos)
            << log_;
        EXPECT_EQ(rates(o).size(), 0u);
        EXPECT_NE(log_.find(patience ? "ended early, after step 10" : "the run has ended after step 12"),
                  std::string::npos)
            << log_;
    }
}

TEST_F(ExtendedRun, WhatWasInVainIsCountedAcrossAResume) {
    ql_train_options o = run(12);
    o.eval_every = 2, o.early_stop = 2, o.lr = 1e-30;
    o.on_progress = [](void *, const ql_train_progress * p) { return p->step == 5 ? 1 : 0; };
    Status stopped;
    train(o, 2, &stopped);
    EXPECT_EQ(stopped.code(), QL_CANCELLED);
    o.on_progress = nullptr, o.resume = "auto";
    EXPECT_EQ(rates(o).size(), 1u);
}

}  // namespace
}  // namespace ql::test
