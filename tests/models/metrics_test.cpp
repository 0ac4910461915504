// The metrics file: it belongs to one run at a time, which appends only to its own lines.
#include <algorithm>

#include "models/trainer_fixture.hpp"

namespace ql::test {
namespace {

class MetricsTest : public TrainerFixture {
  protected:
    void SetUp() override {
        TrainerFixture::SetUp();
        run_ = options();
        run_.metrics_path = path_.c_str(), run_.checkpoint_dir = dir_.c_str(), run_.save_every = 6;
    }
    std::string text() const { return read_all(path_); }
    void expect_refused(const ql_train_options & o) {
        const std::string before = text();
        const Status refused = start(o);
        EXPECT_EQ(refused.code(), QL_INVALID_ARGUMENT) << refused.message();
        EXPECT_NE(refused.message().find("--overwrite"), std::string::npos) << refused.message();
        EXPECT_EQ(text(), before);
    }
    void expect_steps_in_order(size_t n) const {
        const auto lines = metrics("m.jsonl");
        ASSERT_EQ(lines.size(), n);
        for (size_t i = 0; i < n; ++i) EXPECT_EQ(lines[i]["step"], i + 1);
    }

    std::string path_ = folder_.path("m.jsonl"), dir_ = folder_.path("ck");
    ql_train_options run_{};
};

TEST_F(MetricsTest, ANewRunLeavesAFileThatHoldsAnything) {
    folder_.write("m.jsonl", "what somebody wrote\n");
    expect_refused(run_);
    run_.overwrite = 1;
    train_six_steps(run_);
    expect_steps_in_order(6);

    run_.overwrite = 0;
    const std::string other = folder_.path("other");
    run_.checkpoint_dir = other.c_str();
    expect_refused(run_);  // the right kind of file, but another run's
}

TEST_F(MetricsTest, OverwriteChangesNothingBeforeTheFirstStep) {
    folder_.write("m.jsonl", "what somebody wrote\n");
    run_.overwrite = 1;
    EXPECT_TRUE(start(run_).ok());
    EXPECT_EQ(text(), "what somebody wrote\n");
}

TEST_F(MetricsTest, AnEmptyFileIsAnybodys) {
    folder_.write("m.jsonl", "");
    train_six_steps(run_);
    expect_steps_in_order(6);
}

TEST_F(MetricsTest, AResumedRunAppendsToItsLines) {
    train_six_steps(run_);
    const std::string before = text();
    folder_.write("m.jsonl", before + R"({"step":7,"epo)");  // as a kill leaves it
    run_.resume = "auto";
    train(run_);
    EXPECT_TRUE(text().starts_with(before));
    expect_steps_in_order(12);
}

TEST_F(MetricsTest, AResumedRunRefusesLinesThatAreNotItsOwn) {
    train_six_steps(run_);
    run_.resume = "auto";
    const std::string own = text();
    const size_t last = own.rfind('\n', own.size() - 2) + 1;
    for (const std::string & other :
         {own.substr(0, last), own.substr(own.find('\n') + 1),  // shorter than the checkpoint counts
          own + "what somebody wrote\n", std::string(own.size(), 'x'),
          own.substr(0, last) + R"({"step":5)" + own.substr(last + 9)}) {
        folder_.write("m.jsonl", other);
        expect_refused(run_);
    }
    folder_.write("m.jsonl", own);
    EXPECT_TRUE(start(run_).ok());
}

TEST_F(MetricsTest, ARunThatWasKilledBeforeItsFirstCheckpointBeginsItsLinesAnew) {
    train_six_steps(run_);
    std::filesystem::remove(dir_ + "/step-00000006.gguf");
    run_.resume = "auto";
    train(run_);
    expect_steps_in_order(12);
}

TEST_F(MetricsTest, ARunThatBeginsInANewFolderHasNoLinesYet) {
    train_six_steps(run_);
    const std::string other = folder_.path("other");
    run_.checkpoint_dir = other.c_str(), run_.resume = "auto";
    expect_refused(run_);
}

TEST_F(MetricsTest, TwoRunsAtOnceDoNotShareAFile) {
    const DevicePtr device(open_cpu(QL_COMPUTE_AUTO));
    Adapter a = adapter();
    run_.checkpoint_dir = nullptr, run_.overwrite = 1;
    {
        const auto first = Trainer::create(*model_, device.get(), a, data_, nullptr, run_);
        ASSERT_TRUE(first.ok()) << first.message();
        const Status refused = start(run_);
        EXPECT_EQ(refused.code(), QL_INVALID_ARGUMENT);
        EXPECT_NE(refused.message().find("m.jsonl: in use"), std::string::npos) << refused.message();
    }
    EXPECT_TRUE(start(run_).ok());
    EXPECT_FALSE(std::filesystem::exists(path_));  // neither wrote anything
}

}  // namespace
}  // namespace ql::test
