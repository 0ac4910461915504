// Steps whose loss or gradient is not finite: they change nothing, are counted, and end a run if there are too many.
#include "models/load/open_model.hpp"
#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

/// Data in which one sample's embedding is not finite, and the same without it.
class SkippedStep : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        TinyModelOptions tiny;
        tiny.tied = false;
        tiny.nan_token = '~';
        tiny::Writer(tiny).write(model_path_);
        auto model = open_model(model_path_, {sizeof(ql_model_options), QL_NF4_DQ, QL_BASE_KEEP});
        ASSERT_TRUE(model.ok()) << model.message();
        data_ = eval_ = {};
        model_ = std::move(model).value();
    }
    /// One sample a step in the order of the file, each at the same rate.
    ql_train_options bare() const {
        ql_train_options o = options();
        o.schedule = QL_SCHEDULE_CONSTANT;
        o.warmup = 0;
        o.grad_accum = 1;
        o.packing = o.shuffle = 0;
        return o;
    }
    /// Trains on samples of these questions, each a sequence of its own.
    std::vector<float> train_on(const std::string & questions, ql_train_options o, Status * result = nullptr) {
        std::string lines;
        for (const char c : questions)
            lines += std::string(R"({"question":"what is )") + c + R"( here?","answer":"the letter )" + c + "\"}\n";
        data_ = open(folder_.write("data.jsonl", lines));
        eval_ = data_;
        o.steps = static_cast<int64_t>(questions.size()) / o.grad_accum;
        skipped_.clear();
        o.user = &skipped_;
        o.on_progress = [](void * user, const ql_train_progress * p) {
            if (p->skipped) static_cast<std::vector<int64_t> *>(user)->push_back(p->step);
            return 0;
        };
        return train(o, 2, result);
    }
    std::vector<int64_t> skipped_;  // steps of the last run
};

TEST_F(SkippedStep, IsAsIfItHadNotBeen) {
    const std::vector<float> without = train_on("abc", bare());
    EXPECT_EQ(skipped_, std::vector<int64_t>());
    EXPECT_EQ(train_on("~abc", bare()), without);
    EXPECT_EQ(skipped_, std::vector<int64_t>{1});
    EXPECT_EQ(train_on("a~~bc", bare()), without);
    EXPECT_EQ(skipped_, (std::vector<int64_t>{2, 3}));
}

TEST_F(SkippedStep, TakesTheGradientsOfItsOtherMicroBatchesWithIt) {
    ql_train_options o = bare();
    o.grad_accum = 2;
    const std::vector<float> without = train_on("abcd", o);
    EXPECT_EQ(train_on("e~abcd", o), without);
    EXPECT_EQ(train_on("ab~ecd", o), without);
}

TEST_F(SkippedStep, IsRememberedByACheckpoint) {
    const std::vector<float> straight = train_on("~~abc", bare());
    const std::string dir = folder_.path("ck");
    ql_train_options o = bare();
    o.checkpoint_dir = dir.c_str(), o.resume = "auto", o.save_every = 1, o.keep = 9;
    EXPECT_EQ(train_on("~~abc", o), straight);
    for (const auto & e : std::filesystem::directory_iterator(dir))  // as if killed after the third step
        if (e.path().filename() > "step-00000003.gguf") std::filesystem::remove(e.path());
    EXPECT_EQ(train_on("~~abc", o), straight);
    EXPECT_EQ(skipped_, std::vector<int64_t>()) << "it went on behind them";
}

TEST_F(SkippedStep, CountsOnlyInARowTowardsTheEnd) {
    train_on("~~~~~~~~~a~~~~~~~~~b", bare());  // nine in a row, twice
    EXPECT_EQ(skipped_.size(), 18u);
}

TEST_F(SkippedStep, OneAtTheEndMayBeItsSamplesFaultTwoAreTheRuns) {
    for (const char * questions : {"ab~", "ab~~", "~"}) {
        Status status;
        train_on(questions, bare(), &status);
        EXPECT_EQ(status.code(), questions == std::string("ab~") ? QL_OK : QL_NON_FINITE) << questions;
    }
}

TEST_F(SkippedStep, IsNotSaved) {
    const std::string dir = folder_.path("ck");
    ql_train_options o = bare();
    o.checkpoint_dir = dir.c_str(), o.save_every = 1, o.keep = 9;
    train_on("a~bc", o);
    for (const int step : {1, 2, 3, 4})
        EXPECT_EQ(std::filesystem::exists(dir + "/step-0000000" + std::to_string(step) + ".gguf"), step != 2) << step;
}

TEST_F(SkippedStep, IsInTheSummary) {
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    train_on("a~b", bare());  // makes data_
    Adapter a = adapter();
    ql_train_options o = bare();
    o.steps = 3;
    const auto trainer = Trainer::create(*model_, device.get(), a, data_, nullptr, o);
    ASSERT_TRUE(trainer.ok()) << trainer.message();
    ASSERT_TRUE((*trainer)->run().ok());
    EXPECT_EQ((*trainer)->summary().skipped, 1);
}

}  // namespace
}  // namespace ql::test
