// Fine-tuning on a Vulkan device, with the validation layers watching: the losses are the CPU's, what has no kernel runs on
// the CPU, and a fault ends the run in a line.
#ifdef QL_VULKAN_FOLDER
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "programs/workspace.hpp"
#include "support/stories_gguf.hpp"

namespace ql::test {
namespace {

class Vulkan : public testing::Test {
  protected:
    void SetUp() override {
        const ProcessResult r =
            run_with("", "ql-finetune", "-q -m {model.gguf} -d {data.jsonl} --dry-run --device vulkan");
        if (r.code == 0) return;
        if (std::getenv("QL_TEST_VULKAN")) FAIL() << r.err;
        GTEST_SKIP() << r.err << "Mesa's software device, lavapipe, will do";
    }
    /// settings: more of $QL_VULKAN.
    ProcessResult run_with(const std::string & settings, const char * program, const std::string & line) const {
        return workspace_.run(program, line,
                              {"", {"QL_BACKEND_PATH=" QL_VULKAN_FOLDER, "QL_VULKAN=validate=1,cache=off" + settings}});
    }
    ProcessResult train(const std::string & device, const std::string & settings, const std::string & more) const {
        return run_with(settings, "ql-finetune",
                        "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --metrics {m.jsonl} --overwrite --ctx 64 --steps 4"
                        " --grad-accum 2 --lora-r 4 --device " +
                            device + (more.find("--lr ") == more.npos ? " --lr 1e-3 " : " ") + more);
    }
    /// Each step's loss.
    std::vector<double> losses() const {
        std::vector<double> values;
        std::istringstream lines(read_all(workspace_.path("m.jsonl")));
        for (std::string line; std::getline(lines, line);) {
            const auto step = nlohmann::json::parse(line);
            if (step.contains("loss")) values.push_back(step["loss"].get<double>());
        }
        return values;
    }
    std::vector<double> losses_of(const ProcessResult & r) const {
        EXPECT_EQ(0, r.code) << r.err;
        return r.code == 0 ? losses() : std::vector<double>();
    }
    static void expect_near(const std::vector<double> & got, const std::vector<double> & want) {
        ASSERT_GE(want.size(), 4u);
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5 * want[i]) << "step " << i + 1;
    }

    Workspace workspace_;
};

TEST_F(Vulkan, TrainsToTheCpusLosses) {
    for (const char * more :
         {"--base-type f32", "--base-type nf4 --train-norms", "--base-type nf4_dq --lora-dropout 0.1",
          "--base-type q8_0 --optim adamw8bit", "--base-type q4_0 --merge-aware=q4_0",
          "--base-type q4_0 --lora-type dora --optim lion --lr 1e-4"}) {
        SCOPED_TRACE(more);
        const auto want = losses_of(train("cpu", "", std::string("-q --compute f32 ") + more));
        expect_near(losses_of(train("vulkan", "", std::string("-q ") + more)), want);
    }
}

TEST_F(Vulkan, HoldsActivationsInBf16) {
    const auto want = losses_of(train("cpu", "", "-q --compute f32 --base-type nf4"));
    const auto got = losses_of(train("vulkan", "", "-q --compute bf16 --base-type nf4"));
    ASSERT_EQ(got.size(), want.size());
    EXPECT_NE(got, want);
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 2e-3 * want[i]) << "step " << i + 1;
}

TEST_F(Vulkan, SaysWhatRunsOnTheCpu) {
    const ProcessResult r = train("vulkan", "", "-v");
    EXPECT_EQ(0, r.code) << r.err;
    EXPECT_EQ(r.err.find("its backend has no kernel"), std::string::npos) << r.err;
    const auto want = losses();
    // One shader that does not compile costs its operator, and nothing else.
    const ProcessResult without = train("vulkan", ",shader=attention_dq", "-v");
    expect_near(losses_of(without), want);
    EXPECT_NE(without.err.find("attention_back (its backend has no kernel)"), std::string::npos) << without.err;
}

TEST_F(Vulkan, GivesTheSameBitsEachTime) {
    std::string adapter[2];
    for (std::string & bytes : adapter) {
        const ProcessResult r = train("vulkan", "", "-q --lora-dropout 0.1");
        ASSERT_EQ(0, r.code) << r.err;
        bytes = read_all(workspace_.path("a.gguf"));
    }
    EXPECT_EQ(adapter[0], adapter[1]);
}

TEST_F(Vulkan, WritesWhatTheCpuWrites) {
    const auto text = [&](const std::string & device) {
        const ProcessResult r =
            run_with("", "ql-chat", "-q -m {model.gguf} --compute f32 --temp 0 -n 12 -p the --device " + device);
        EXPECT_EQ(0, r.code) << r.err;
        return r.out;
    };
    const std::string want = text("cpu");
    EXPECT_GT(want.size(), 8u);
    EXPECT_EQ(text("vulkan"), want);
}

/// Where all layers are computed again already, there is nothing left to plan anew.
TEST_F(Vulkan, AFaultEndsTheRunInALine) {
    for (const auto & [settings, words] : {std::pair(",alloc=2", "vkAllocateMemory: out of device memory"),
                                           {",submit=40", "vkQueueSubmit: out of host memory"},
                                           {",lost=60", "vkQueueSubmit: the device was lost"},
                                           {",loader=none", "there is no Vulkan loader"},
                                           {",devices=none", "no driver has a device"},
                                           {",below=1", "which is needed"},
                                           {",alloc=x", "QL_VULKAN: 'alloc=x' is unknown"}}) {
        const ProcessResult r = train("vulkan", settings, "-q --recompute all");
        EXPECT_NE(0, r.code) << settings;
        EXPECT_NE(r.err.find(words), std::string::npos) << settings << "\n" << r.err;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
    }
}

/// An allocation that fails while the step is planned: it is planned anew, with layers computed again, to the same losses.
TEST_F(Vulkan, AStepThatDoesNotFitIsPlannedAgain) {
    const auto want = losses_of(train("vulkan", "", "-q"));
    const ProcessResult r = train("vulkan", ",alloc=9", "-v");
    expect_near(losses_of(r), want);
    EXPECT_NE(r.err.find("layers are computed again"), std::string::npos) << r.err;
}

TEST_F(Vulkan, KeepsWithinTheMemoryThatADeviceMayTake) {
    EXPECT_EQ(0, train("vulkan", "", "-q --memory vulkan=1GiB").code);
    const ProcessResult small = train("vulkan", "", "-q --memory vulkan:0=512KiB");
    EXPECT_NE(0, small.code);
    EXPECT_NE(small.err.find("of the budget's 524288 bytes are taken, and "), std::string::npos) << small.err;
    EXPECT_NE(small.err.find("a smaller --ctx, --batch or --lora-r needs less"), std::string::npos) << small.err;
    EXPECT_EQ(1, std::count(small.err.begin(), small.err.end(), '\n')) << small.err;
    for (const auto & [budget, words] :
         {std::pair("vulkan:1=1GiB", "vulkan:1 is none of the devices of --device vulkan"),
          {"vulkan=1GiB,vulkan:0=2GiB", "twice"}}) {
        const ProcessResult r = train("vulkan", "", std::string("-q --memory ") + budget);
        EXPECT_EQ(2, r.code);
        EXPECT_NE(r.err.find(words), std::string::npos) << r.err;
    }
}

TEST_F(Vulkan, RooflineBoundsAStepByItsCounts) {
    const ProcessResult r = run_with(
        "", "ql-bench", "roofline --device vulkan --card rx7900xtx --shape tiny --tokens 16 --lora-r 4 --json -q");
    ASSERT_EQ(0, r.code) << r.err;
    const auto bound = nlohmann::json::parse(r.out);
    EXPECT_EQ(bound["kind"], "bound");
    EXPECT_EQ(bound["tensor_flops"], 0);
    double seconds = 0, dispatches = 0;
    for (const auto & o : bound["operators"]) {
        const double bytes = o["bytes"].get<double>() / 960e9, flops = o["f32_flops"].get<double>() / 61.4e12;
        EXPECT_DOUBLE_EQ(o["seconds_at_least"].get<double>(), std::max(bytes, flops)) << o;
        seconds += o["seconds_at_least"].get<double>(), dispatches += o["launches"].get<double>();
    }
    EXPECT_GT(dispatches, 20);
    EXPECT_NEAR(bound["tok_s_at_most"].get<double>() * seconds, 16, 1e-6);
}

TEST_F(Vulkan, IsNotChosenByItself) {
    for (const char * settings : {"", ",loader=none"}) {
        const ProcessResult r = train("auto", settings, "-v");
        EXPECT_EQ(0, r.code) << r.err;
        EXPECT_NE(r.err.find("device   cpu"), std::string::npos) << r.err;
    }
}

TEST_F(Vulkan, DoctorTellsItsLimitsAndWhatItLeavesToTheCpu) {
    const ProcessResult r = run_with("", "ql-doctor", "--quick --json --device vulkan");
    EXPECT_EQ(0, r.code) << r.err;
    const auto json = nlohmann::json::parse(r.out);
    const std::string chip = json["backends"][0]["devices"][0]["chip"];
    EXPECT_NE(chip.find("KiB shared, subgroups of "), std::string::npos) << chip;
    EXPECT_EQ(json["failed"], 0);
    for (const auto & kernel : json["kernels"]) {
        if (kernel["op"] == "rope_table" || kernel["op"] == "adamw8bit") {
            EXPECT_EQ(kernel["on_cpu"], 0) << kernel;
        }
    }
}

TEST_F(Vulkan, AStoryTellerLearnsWhatItLearnsOnTheCpu) {
    const auto text = shared_path("data/text/tinyshakespeare.txt");
    if (!text || !write_stories(workspace_.path("stories.gguf")))
        GTEST_SKIP() << "data/stories260K and data/text are not here: set QL_SHARED to their folder";
    workspace_.write("text.txt", read_all(*text).substr(0, 20000));
    const auto losses_on = [&](const std::string & device) {
        return losses_of(
            run_with("", "ql-finetune",
                     "-q -m {stories.gguf} -d {text.txt} -o {b.gguf} --metrics {m.jsonl} --overwrite"
                     " --ctx 64 --steps 6 --grad-accum 1 --base-type nf4_dq --lr 1e-2 --compute f32 --device " +
                         device));
    };
    const auto want = losses_on("cpu");
    ASSERT_FALSE(want.empty());
    EXPECT_LT(want.back(), want.front());
    expect_near(losses_on("vulkan"), want);
}

}  // namespace
}  // namespace ql::test
#endif
