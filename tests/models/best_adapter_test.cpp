// The adapter with the lowest evaluation loss: it lies beside the checkpoints, and a run that goes on checks whether it
// is still there.
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

class WhichAdapterIsBest : public TrainerFixture {
  protected:
    /// Trains with evaluations and returns their losses.
    std::vector<double> losses_of_a_run() {
        std::vector<double> losses;
        ql_train_options run = options();
        run.best_path = best_.c_str(), run.eval_every = 2, run.user = &losses;
        run.on_progress = [](void * user, const ql_train_progress * p) {
            if (p->has_eval) static_cast<std::vector<double> *>(user)->push_back(p->eval_loss);
            return 0;
        };
        train(run);
        EXPECT_EQ(losses.size(), 6u);
        return losses;
    }
    double loss_of_the_kept_one() {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        auto kept = load_adapter(best_, *model_);
        if (!kept.ok()) return ADD_FAILURE() << kept.message(), NAN;
        const auto trainer = Trainer::create(*model_, device.get(), *kept, data_, &eval_, options());
        if (!trainer.ok()) return ADD_FAILURE() << trainer.message(), NAN;
        double loss = NAN;
        int64_t tokens = 0;
        const Status status = (*trainer)->evaluate(loss, tokens);
        EXPECT_TRUE(status.ok()) << status.message();
        return loss;
    }
    std::string best_ = folder_.path("best.gguf");
};

TEST_F(WhichAdapterIsBest, ALaterOneWhereTheLossFalls) {
    const auto losses = losses_of_a_run();
    const double lowest = *std::min_element(losses.begin(), losses.end());
    ASSERT_LT(lowest, losses.front());
    EXPECT_EQ(loss_of_the_kept_one(), lowest);
}

TEST_F(WhichAdapterIsBest, AnEarlierOneWhereTheLossRises) {
    eval_ = open(folder_.write("unlike.jsonl", R"({"question":"the sea?","answer":"QZ#QZ#QZ#QZ"})"
                                               "\n"));
    const auto losses = losses_of_a_run();
    const double lowest = *std::min_element(losses.begin(), losses.end());
    ASSERT_LT(lowest, losses.back());
    EXPECT_EQ(loss_of_the_kept_one(), lowest);
}

/// Six of twelve steps were made, with evaluations.
class BestAdapterTest : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        // Unlike the training data: the first evaluation loss is the lowest, so that none later takes the best's place.
        eval_ = open(folder_.write("unlike.jsonl", R"({"question":"the sea?","answer":"QZ#QZ#QZ#QZ"})"
                                                   "\n"));
        run_ = options();
        run_.checkpoint_dir = dir_.c_str(), run_.best_path = best_.c_str(), run_.eval_every = 2;
        train_six_steps(run_);
        ASSERT_TRUE(load_adapter(best_, *model_).ok());
        before_ = read_all(best_);
        run_.resume = "auto", run_.user = &said_;
        run_.on_log = [](void * said, const char * line) {
            static_cast<std::vector<std::string> *>(said)->emplace_back(line);
        };
    }
    /// Goes on: one line says that the best adapter is not there, and why; the next best is kept.
    void expect_missed(const std::string & why) {
        expect_said(why);
        EXPECT_NE(said_[0].find(best_), std::string::npos) << said_[0];
    }
    void expect_said(const std::string & why) {
        said_.clear();
        std::string resumed;
        train(run_, 2, nullptr, &resumed);
        EXPECT_TRUE(resumed.ends_with("step-00000006.gguf")) << resumed;
        ASSERT_EQ(said_.size(), 1u);
        EXPECT_NE(said_[0].find(why), std::string::npos) << said_[0];
        const auto kept = load_adapter(best_, *model_);
        ASSERT_TRUE(kept.ok()) << kept.message();
        EXPECT_EQ(kept->matrices[0].r, 3);
    }

    std::string dir_ = folder_.path("ck"), best_ = folder_.path("best.gguf"), before_;
    ql_train_options run_{};
    std::vector<std::string> said_;
};

TEST_F(BestAdapterTest, IsKeptAcrossAnInterruption) {
    train(run_);
    EXPECT_EQ(said_, std::vector<std::string>());
    const std::string went_on = read_all(best_), other = folder_.path("alone.gguf");
    ql_train_options alone = options();
    alone.best_path = other.c_str(), alone.eval_every = 2;
    train(alone);
    EXPECT_TRUE(went_on == read_all(other));
}

TEST_F(BestAdapterTest, WhereItIsGoneTheNextBestIsKept) {
    std::filesystem::remove(best_);
    expect_missed("No such file");
}

TEST_F(BestAdapterTest, WhereItIsNotTheRunsTheNextBestIsKept) {
    folder_.write("best.gguf", "what somebody wrote, longer than a header is, and a little more of it");
    expect_missed("GGUF");
}

TEST_F(BestAdapterTest, OneOfAnotherShapeIsNotTheRuns) {
    LoraOptions o;
    o.r = 4;
    const auto other = new_adapter(*model_, o);
    ASSERT_TRUE(other.ok()) << other.message();
    ASSERT_TRUE(save_adapter(*other, *model_, best_).ok());
    expect_missed("another run's");
}

TEST_F(BestAdapterTest, ARunWithoutEvaluationsBetweenLeavesIt) {
    ql_train_options between = run_;
    between.best_path = nullptr, between.eval_every = 0;
    between.on_progress = [](void *, const ql_train_progress * p) { return p->step == 7 ? 1 : 0; };
    {
        const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
        Adapter a = adapter();
        const auto trainer = Trainer::create(*model_, device.get(), a, data_, nullptr, between);
        ASSERT_TRUE(trainer.ok()) << trainer.message();
        EXPECT_EQ((*trainer)->run().code(), QL_CANCELLED);
    }
    train(run_);
    EXPECT_EQ(said_, std::vector<std::string>());
    EXPECT_TRUE(read_all(best_) == before_) << "no later evaluation was better";
}

TEST_F(BestAdapterTest, LossesOverOtherDataAreNotCompared) {
    eval_ = open(folder_.write("alike.jsonl", R"({"question":"what is 1 and the sea?","answer":"1x in the sand"})"
                                              "\n"));
    expect_said("the evaluation data is another than before");
    EXPECT_NE(read_all(best_), before_) << "the best of the later steps is kept";
}

}  // namespace
}  // namespace ql::test
