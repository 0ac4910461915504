// What a run takes where its caller leaves the choice open.
#include "models/train/choose_options.hpp"

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

ql_train_options open_options() {
    ql_train_options o;
    ql_train_options_init(&o);
    return o;
}

TEST(ChooseOptions, AreOpenUnlessSaidOtherwise) {
    const ql_train_options o = open_options();
    EXPECT_EQ(o.grad_accum, 0);
    EXPECT_EQ(o.epochs, 0);
    EXPECT_EQ(o.lr, 0);
}

constexpr RunSize kFew{40, 5000}, kLarge{100000, 25000000};

/// docs/hyperparameters.md has the table, and what these sets are.
TEST(ChooseOptions, FollowTheSizeOfTheSet) {
    struct Row {
        RunSize epoch;
        int64_t grad_accum;
        double epochs, lr;
    };
    for (const Row & row : {Row{{9, 1538}, 1, 8, 1e-3},  // short answers: they are repeated
                            {{35, 6111}, 1, 4, 0.00076},
                            {{86, 15221}, 1, 2, 0.00069},
                            {{30, 7745}, 1, 3, 0.00095},  // longer ones: a few times are enough
                            {{115, 31490}, 1, 1, 0.00084},
                            {{284, 76693}, 2, 1, 0.00076},
                            {{1024, 250000}, 8, 1, 0.0008},
                            {{5, 20480}, 1, 8, 1e-3},  // long sequences: too few steps
                            {{1, 1}, 1, 8, 1e-3}}) {
        const ql_train_options o = choose_options(open_options(), row.epoch, {})->options;
        EXPECT_EQ(o.grad_accum, row.grad_accum) << row.epoch.n_sequences;
        EXPECT_EQ(o.epochs, row.epochs) << row.epoch.n_sequences;
        EXPECT_DOUBLE_EQ(o.lr, row.lr) << row.epoch.n_sequences;
    }
}

TEST(ChooseOptions, ASmallSetGetsEnoughSteps) {
    for (const int64_t n : {10, 40, 100, 600, 5000, 100000})
        for (const int64_t trained_of_one : {10, 150, 512, 4096}) {
            const ql_train_options o = choose_options(open_options(), {n, n * trained_of_one}, {})->options;
            const int64_t per_epoch = (n + o.grad_accum - 1) / o.grad_accum, steps = steps_of(o, per_epoch);
            EXPECT_GE(steps, std::min<int64_t>(40, 8 * n)) << n;
            EXPECT_GE(o.lr, 2e-4) << n;
            EXPECT_LE(o.lr, 1e-3) << n;
        }
}

TEST(ChooseOptions, ALargeSetGetsTheUsualOnes) {
    const ChosenOptions chosen = *choose_options(open_options(), kLarge, {});
    EXPECT_EQ(chosen.options.grad_accum, 8);
    EXPECT_EQ(chosen.options.epochs, 1);
    EXPECT_DOUBLE_EQ(chosen.options.lr, 2e-4);
}

/// SmolLM2-135M is 576 wide, a model of 7B 4096.
TEST(ChooseOptions, ANarrowModelTakesAHigherRate) {
    const auto rate = [](int64_t n_sequences, int64_t trained, int64_t width) {
        return choose_options(open_options(), {n_sequences, trained, width}, {})->options.lr;
    };
    EXPECT_DOUBLE_EQ(rate(9, 1538, 576), 0.00189);
    EXPECT_DOUBLE_EQ(rate(35, 6111, 576), 0.00144);
    EXPECT_DOUBLE_EQ(rate(115, 31490, 4096), 0.0006);
    EXPECT_DOUBLE_EQ(rate(100000, 25000000, 4096), 0.00014);
    EXPECT_DOUBLE_EQ(rate(100000, 25000000, 64), 0.0004);  // no width more than doubles it
}

TEST(ChooseOptions, OneLineSaysWhatAndWhy) {
    const auto note = [](const RunSize & run, ql_train_options o = open_options()) {
        return choose_options(o, run, {})->note;
    };
    EXPECT_EQ(note({9, 1538}),
              "chosen   grad-accum 1, epochs 8, lr 0.001: an epoch trains 1538 tokens, and 20000 would be enough; "
              "9 sequences are 9 steps an epoch, 72 in all: so few take a high lr");
    EXPECT_EQ(note({30, 7745}),
              "chosen   grad-accum 1, epochs 3, lr 0.00095: an epoch trains 7745 tokens, and 20000 are enough; "
              "30 sequences are 30 steps an epoch, 90 in all: so few take a high lr");
    EXPECT_EQ(note({15, 60000}),
              "chosen   grad-accum 1, epochs 3, lr 0.001: an epoch has 15 steps, and 40 are enough; "
              "15 sequences are 15 steps an epoch, 45 in all: so few take a high lr");
    EXPECT_EQ(note(kLarge),
              "chosen   grad-accum 8, epochs 1, lr 0.0002: an epoch trains 25000000 tokens, and 20000 are enough; "
              "100000 sequences are 12500 steps an epoch, 12500 in all");
    EXPECT_EQ(note({100000, 25000000, 4096}),
              "chosen   grad-accum 8, epochs 1, lr 0.00014: an epoch trains 25000000 tokens, and 20000 are enough; "
              "100000 sequences are 12500 steps an epoch, 12500 in all; a model 4096 wide a lower one");
    ql_train_options o = open_options();
    o.epochs = 2, o.grad_accum = 4;
    EXPECT_EQ(note({30, 7745, 576}, o),
              "chosen   lr 0.00189: 30 sequences are 8 steps an epoch, 16 in all: so few take a high lr, and a model "
              "576 wide "
              "a higher one");
    EXPECT_EQ(note({30, 7745}, o),
              "chosen   lr 0.001: 30 sequences are 8 steps an epoch, 16 in all: so few take a high lr");
    o.grad_accum = 0, o.lr = 1e-4;
    EXPECT_EQ(note({1000, 7745}, o), "chosen   grad-accum 8: 1000 sequences are 125 steps an epoch, 250 in all");
}

/// Each that is given stays, and the others follow from it.
TEST(ChooseOptions, WhatIsGivenDecidesTheOthers) {
    ql_train_options o = open_options();
    o.grad_accum = 8;  // fewer steps an epoch: more epochs
    EXPECT_EQ(choose_options(o, {60, 30000}, {})->options.epochs, 5);
    o = open_options();
    o.epochs = 3;  // more steps in all: more sequences a step
    EXPECT_EQ(choose_options(o, {284, 76693}, {})->options.grad_accum, 4);
    o = open_options();
    o.steps = 2048;
    EXPECT_DOUBLE_EQ(choose_options(o, {30, 7745}, {})->options.lr, 2e-4);
}

TEST(ChooseOptions, WhatIsGivenStays) {
    ql_train_options o = open_options();
    o.grad_accum = 5, o.epochs = 2.5, o.lr = 0.125;
    const ChosenOptions chosen = *choose_options(o, kFew, {});
    EXPECT_EQ(chosen.options.grad_accum, 5);
    EXPECT_EQ(chosen.options.epochs, 2.5);
    EXPECT_EQ(chosen.options.lr, 0.125);
    EXPECT_EQ(chosen.note, "");
    EXPECT_EQ(steps_of(o, 8), 20);
    o.epochs = 0.01;
    EXPECT_EQ(steps_of(o, 8), 1);
}

TEST(ChooseOptions, MicroBatchesShareTheStep) {
    ql_train_options o = open_options();
    o.batch = 4;
    EXPECT_EQ(choose_options(o, kLarge, {})->options.grad_accum, 2);
    EXPECT_EQ(choose_options(o, {10, 1000}, {})->options.grad_accum, 1);
    o.batch = QL_BATCH_AUTO;
    EXPECT_EQ(choose_options(o, kLarge, {})->options.grad_accum, 8);
}

TEST(ChooseOptions, TheAdviceFitsWhatWasGiven) {
    ql_train_options chosen = open_options();
    chosen.epochs = 8;
    const auto advice = [&](int64_t steps, double epochs, int64_t grad_accum) {
        ql_train_options asked = open_options();
        asked.steps = steps, asked.epochs = epochs, asked.grad_accum = grad_accum;
        return advice_for_more_steps(asked, chosen);
    };
    EXPECT_EQ(advice(0, 0, 0), "try more data, or more --epochs than 8");
    EXPECT_EQ(advice(0, 0, 1), "try more data, or more --epochs than 8");
    EXPECT_EQ(advice(2, 0, 8), "try more --steps, or leave it out");
    EXPECT_EQ(advice(0, 1, 0), "try more --epochs, or leave it to be chosen");
    EXPECT_EQ(advice(0, 0, 8), "try more --epochs than 8, or a smaller --grad-accum, or leave it to be chosen");
    EXPECT_EQ(advice(0, 1, 8), "try more --epochs, or a smaller --grad-accum, or leave both to be chosen");
}

TEST(ChooseOptions, ACheckpointDecides) {
    ql_train_options o = open_options();
    const RunBefore before{"ck/step-1.gguf", "batch=2;grad-accum=3;steps=77;lr=0.5;"};
    const ChosenOptions chosen = *choose_options(o, {10, 1000}, before);
    EXPECT_EQ(chosen.options.grad_accum, 6);
    EXPECT_EQ(chosen.options.steps, 77);
    EXPECT_EQ(chosen.options.lr, 0.5);
    o.epochs = 4;
    EXPECT_EQ(choose_options(o, {10, 1000}, before)->options.steps, 0);
}

TEST(ChooseOptions, ACheckpointsNumbersAreInRange) {
    const auto refused = [](const char * fingerprint, const char * part) {
        const auto chosen = choose_options(open_options(), {10, 1000}, {"ck/step-1.gguf", fingerprint});
        ASSERT_FALSE(chosen.ok()) << fingerprint;
        EXPECT_EQ(chosen.code(), QL_BAD_FILE);
        EXPECT_TRUE(chosen.message().starts_with("ck/step-1.gguf: ")) << chosen.message();
        EXPECT_NE(chosen.message().find(part), std::string::npos) << chosen.message();
    };
    refused("batch=4611686018427387904;grad-accum=4;steps=77;lr=0.5;", "batch: 4.61169e+18 is out of range");
    refused("batch=1;grad-accum=9223372036854775807;steps=77;lr=0.5;", "grad-accum: 9.22337e+18 is out of range");
    refused("batch=-1;grad-accum=3;steps=77;lr=0.5;", "batch: -1 is out of range");
    refused("batch=2;grad-accum=3;steps=9223372036854775807;lr=0.5;", "steps: 9.22337e+18 is out of range");
    refused("batch=2;grad-accum=3;steps=77;lr=nan;", "lr: nan is out of range");
    refused("batch=2;grad-accum=3;steps=77;lr=-5;", "lr: -5 is out of range");
    refused("batch=4096;grad-accum=65536;steps=77;lr=0.5;", "grad-accum: 2.68435e+08 is out of range");
    for (const char * missing :
         {"batch=2;steps=77;lr=0.5;", "batch=2;grad-accum=3;lr=0.5;", "batch=2;grad-accum=3;steps=7;"})
        refused(missing, "no run has these");
}

class OpenOptions : public TrainerFixture {
  protected:
    ql_train_options open() {
        ql_train_options o = open_options();
        o.ctx = 64, o.checkpoint_dir = dir_.c_str(), o.save_every = 5, o.user = &log_;
        o.on_log = [](void * log, const char * line) { *static_cast<std::string *>(log) += std::string(line) + "\n"; };
        return o;
    }
    std::string dir_ = folder_.path("ck"), log_;
};

TEST_F(OpenOptions, GoOnAsTheyWereBegun) {
    const std::vector<float> whole = train(open());
    EXPECT_NE(log_.find("chosen   grad-accum 2, epochs 8, "), std::string::npos) << log_;
    std::filesystem::remove_all(dir_);
    train_six_steps(open());
    ql_train_options o = open();
    o.resume = "auto";
    std::string resumed;
    EXPECT_EQ(train(o, 1, nullptr, &resumed), whole);
    EXPECT_TRUE(resumed.ends_with("step-00000006.gguf")) << resumed;
    EXPECT_NE(log_.find("as before, in the checkpoint"), std::string::npos) << log_;
}

TEST_F(OpenOptions, TooFewStepsAreSaid) {
    ql_train_options o = open();
    o.steps = 2;
    train(o);
    EXPECT_NE(log_.find("only 2 steps: this will learn little; try more --steps"), std::string::npos) << log_;
    log_.clear();
    o.steps = 20, o.overwrite = 1;
    train(o);
    EXPECT_EQ(log_.find("learn little"), std::string::npos) << log_;
}

}  // namespace
}  // namespace ql::test
