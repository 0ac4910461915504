// Metrics files as ql-plot reads them: whole ones, those that a run still writes, and all that is none.
#include "tools/picture/run_figures.hpp"

#include <gtest/gtest.h>

#include "support/temporary_folder.hpp"

namespace ql::test {
namespace {

using namespace cli;

class ReadMetrics : public testing::Test {
  protected:
    /// The message; "" if all went well.
    std::string read(const std::string & text, int64_t last_step = INT64_MAX) {
        run_ = RunFigures({kLoss, kTokens, kSeconds, kEpoch});
        is_cut_ = false;
        const Status status = read_metrics(folder_.write("m.jsonl", text), run_, &is_cut_, last_step);
        const std::string & message = status.message();
        const size_t name = message.find("m.jsonl: ");
        return status.ok() ? "" : message.substr(name == message.npos ? 0 : name + 9);
    }
    TemporaryFolder folder_;
    RunFigures run_{std::vector<Quantity>{}};
    bool is_cut_ = false;
};

TEST_F(ReadMetrics, TakesWhatARunWrites) {
    EXPECT_EQ(read(R"({"step":1,"epoch":0.5,"loss":3.5,"lr":0.1,"tokens":10,"seconds":2,"new":[1]})"
                   "\n"
                   R"({"step":2,"epoch":1,"loss":null,"tokens":20,"seconds":4,"skipped":"loss is not finite"})"
                   "\n\n"
                   R"({"step":3,"loss":1.5,"tokens":5,"seconds":1,"eval_loss":1.25,"eval_tokens":9})"
                   "\n"),
              "");
    ASSERT_EQ(run_.size(), 3u);
    EXPECT_EQ(run_.at(kLoss, 0), 3.5);
    EXPECT_TRUE(std::isnan(run_.at(kLoss, 1)));
    EXPECT_EQ(run_.at(kTokens, 2), 35) << "those so far";
    EXPECT_EQ(run_.at(kSeconds, 2), 5) << "a process that resumed counts from 0";
    EXPECT_EQ(run_.skipped(), (std::vector<size_t>{1}));
    ASSERT_EQ(run_.evals().size(), 1u);
    EXPECT_EQ(run_.evals()[0].at, 2u);
    EXPECT_EQ(run_.evals()[0].loss, 1.25);
    EXPECT_TRUE(run_.has(kLoss));
    EXPECT_FALSE(run_.has(kGradNorm)) << "not kept";
    EXPECT_FALSE(is_cut_);
}

TEST_F(ReadMetrics, LeavesOutALastLineThatIsNotWhole) {
    const std::string whole = "{\"step\":1,\"loss\":2}\n";
    for (const std::string cut : {"{", "{\"step\":2,\"lo", "{\"step\":2,\"loss\":1.5"}) {
        EXPECT_EQ(read(whole + cut), "") << cut;
        EXPECT_TRUE(is_cut_);
        EXPECT_EQ(run_.size(), 1u);
    }
    EXPECT_EQ(read(whole + "{\"step\":2,\"loss\":1}"), "") << "whole but for its newline";
    EXPECT_EQ(run_.size(), 2u);
    EXPECT_FALSE(is_cut_);
    EXPECT_EQ(read("{\"step\":1,"), "has no whole line: the run has ended no step yet");
}

TEST_F(ReadMetrics, StopsAtAStep) {
    EXPECT_EQ(read("{\"step\":1}\n{\"step\":2}\n{\"step\":3}\nbroken", 2), "");
    EXPECT_EQ(run_.last_step(), 2);
    EXPECT_EQ(read("{\"step\":7}\n", 2), "") << "nothing of it is wanted";
}

TEST_F(ReadMetrics, RefusesWhatIsNone) {
    EXPECT_EQ(read(""), "is empty: the run has ended no step yet");
    EXPECT_EQ(read("hello\n").substr(0, 7), "line 1:");
    EXPECT_EQ(read("{\"loss\":1}\n"), "line 1: has no step; is this a metrics file?");
    EXPECT_EQ(read("[1]\n"), "line 1: has no step; is this a metrics file?");
    EXPECT_EQ(read("{\"step\":1.5}\n"), "line 1: has no step; is this a metrics file?");
    EXPECT_EQ(read("{\"step\":-1}\n"), "line 1: \"step\" is below 0");
    EXPECT_EQ(read("{\"step\":1}\n{\"step\":2,\"loss\":\"low\"}\n"), "line 2: \"loss\" is no number");
    EXPECT_NE(read("{\"step\":1,\"loss\":NaN}\n").find("line 1: byte 18: NaN is no JSON; write null"),
              std::string::npos);
    EXPECT_EQ(read("{\"step\":2}\n{\"step\":2}\n"),
              "line 2: step 2 comes after step 2; are there two runs in this file?");
    EXPECT_EQ(read("{\"step\":1}\n" + std::string(70000, ' ') + "\n"),
              "line 2: has more than 64 KiB; is this a metrics file?");
    EXPECT_EQ(read("{\"step\":1}\n" + std::string(70000, 'x')),
              "line 2: has more than 64 KiB; is this a metrics file?");
    EXPECT_EQ(read(std::string("\0\0\0\n", 4)).substr(0, 7), "line 1:");
    bool is_cut = false;
    EXPECT_EQ(read_metrics(folder_.path("none"), run_, &is_cut).code(), QL_NOT_FOUND);
    EXPECT_EQ(read_metrics(folder_.path(""), run_, &is_cut).code(), QL_BAD_FILE) << "a folder";
}

TEST_F(ReadMetrics, StepsOfAnyLengthAreTold) {
    EXPECT_EQ(read("{\"step\":16777216}\n{\"step\":16777217}\n"), "") << "also where a float tells them apart no more";
    EXPECT_EQ(run_.last_step(), 16777217);
}

TEST_F(ReadMetrics, ReadsWhatMetricsLineWrites) {
    RunStep step;
    step.figures[kStep] = 7, step.figures[kEpoch] = 0.25, step.eval_loss = 1.125, step.skipped = true;
    EXPECT_EQ(metrics_line(step), "{\"step\":7,\"epoch\":0.25,\"skipped\":\"\",\"eval_loss\":1.125}\n");
    EXPECT_EQ(read(metrics_line(step)), "");
    EXPECT_EQ(run_.at(kEpoch, 0), 0.25);
    EXPECT_EQ(run_.evals()[0].loss, 1.125);
    EXPECT_EQ(run_.skipped().size(), 1u);
}

}  // namespace
}  // namespace ql::test
