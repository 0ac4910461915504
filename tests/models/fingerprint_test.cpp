// A checkpoint resumes only its own run: whatever would make it another run is refused by name.
#include <functional>

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

class Fingerprint : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        run_ = options();
        run_.steps = 3;
        run_.checkpoint_dir = dir_.c_str(), run_.save_every = 1, run_.keep = 9;
        train(run_);
        for (const char * later : {"/step-00000002.gguf", "/step-00000003.gguf"})  // as if killed after the first step
            std::filesystem::remove(dir_ + later);
        run_.resume = "auto";
    }
    void expect_refused(const Status & status, const std::string & what) {
        EXPECT_EQ(status.code(), QL_INVALID_ARGUMENT) << what;
        EXPECT_NE(status.message().find("this run has " + what), std::string::npos) << status.message();
    }

    std::string dir_ = folder_.path("ck");
    ql_train_options run_{};
};

TEST_F(Fingerprint, TheSameRunGoesOn) {
    const Status status = start(run_);
    EXPECT_TRUE(status.ok()) << status.message();
}

TEST_F(Fingerprint, EveryOptionThatChangesAStepIsNamed) {
    using Options = ql_train_options;
    const std::pair<const char *, std::function<void(Options &)>> changes[] = {
        {"ctx 48", [](Options & o) { o.ctx = 48; }},
        {"batch 2", [](Options & o) { o.batch = 2; }},
        {"grad-accum 3", [](Options & o) { o.grad_accum = 3; }},
        {"4 steps", [](Options & o) { o.steps = 4; }},
        {"lr 0.25", [](Options & o) { o.lr = 0.25; }},
        {"schedule constant, the checkpoint was made with cosine",
         [](Options & o) { o.schedule = QL_SCHEDULE_CONSTANT; }},
        {"decay 0.2, the checkpoint was made with none", [](Options & o) { o.schedule = QL_SCHEDULE_WSD; }},
        {"lr-floor 0.5", [](Options & o) { o.lr_floor = 0.5; }},
        {"early-stop 3", [](Options & o) { o.early_stop = 3; }},
        {"warmup 0.5", [](Options & o) { o.warmup = 0.5; }},
        {"weight-decay 0.25", [](Options & o) { o.weight_decay = 0.25; }},
        {"optim lion, the checkpoint was made with adamw", [](Options & o) { o.optimizer = QL_OPTIMIZER_LION; }},
        {"optim adamw8bit", [](Options & o) { o.optimizer = QL_OPTIMIZER_ADAMW8BIT; }},
        {"beta1 0.5", [](Options & o) { o.beta1 = 0.5; }},
        {"beta2 0.5", [](Options & o) { o.beta2 = 0.5; }},
        {"eps 0.5", [](Options & o) { o.eps = 0.5; }},
        {"clip 0.5", [](Options & o) { o.clip = 0.5; }},
        {"lora-dropout 0.5", [](Options & o) { o.lora_dropout = 0.5; }},
        {"lora-plus-ratio 8", [](Options & o) { o.lora_plus_ratio = 8; }},
        {"neftune-alpha 5", [](Options & o) { o.neftune_alpha = 5; }},
        {"seed 43", [](Options & o) { o.seed = 43; }},
        {"shuffle off, the checkpoint was made with on", [](Options & o) { o.shuffle = 0; }},
        {"packing off", [](Options & o) { o.packing = 0; }},
    };
    for (const auto & [what, change] : changes) {
        Options other = run_;
        change(other);
        expect_refused(start(other), what);
    }
}

TEST_F(Fingerprint, OtherDataAreNamed) {
    const Dataset data = data_;
    data_.samples.pop_back();
    expect_refused(start(run_), "other training data");
    data_ = data;
    data_.samples[3].tokens[2] ^= 1;
    expect_refused(start(run_), "other training data");
    data_ = data;
    data_.samples[3].trained[2] ^= 1;  // the same tokens, but others are trained
    expect_refused(start(run_), "other training data");
    data_ = data;
    EXPECT_TRUE(start(run_).ok());
}

/// Where the run ends by them. Else they change nothing of it, and only the best adapter is another one.
TEST_F(Fingerprint, OtherEvaluationDataAreNamedWhereTheRunEndsByThem) {
    const Dataset other = open(folder_.write("other.jsonl", R"({"question":"the sea?","answer":"sand"})"
                                                            "\n"));
    EXPECT_TRUE(start(run_, nullptr, &other).ok());
    std::filesystem::remove_all(dir_);
    run_.resume = nullptr, run_.early_stop = 3, run_.eval_every = 1;
    train(run_);
    run_.resume = "auto";
    EXPECT_TRUE(start(run_, nullptr, &eval_).ok());
    expect_refused(start(run_, nullptr, &other), "other evaluation data");
}

}  // namespace
}  // namespace ql::test
