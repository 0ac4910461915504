// Fine-tuning on the CUDA backend, run by its emulation: the losses are the CPU's, in every order of blocks, threads and
// streams the same bits, and a fault ends the run in a line.
#ifdef QL_CUDA_EMULATED
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "programs/workspace.hpp"
#include "support/stories_gguf.hpp"

namespace ql::test {
namespace {

class Cuda : public testing::Test {
  protected:
    /// settings: $QL_CUDA_EMU.
    ProcessResult run(const std::string & device, const std::string & settings, const std::string & more) const {
        return workspace_.run(
            "ql-finetune",
            "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --metrics {m.jsonl} --overwrite --ctx 64 --steps 4"
            " --grad-accum 2 --device " +
                device + (more.find("--lora-r") == more.npos ? " --lora-r 4 " : " ") + more,
            {"", {"QL_BACKEND_PATH=" QL_BINARY_DIR "/test-backends", "QL_CUDA_EMU=" + settings}});
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
    std::vector<double> losses_on(const std::string & device, const std::string & settings,
                                  const std::string & more) const {
        const ProcessResult r = run(device, settings, "-q " + more);
        EXPECT_EQ(0, r.code) << device << " " << more << "\n" << r.err;
        return r.code == 0 ? losses() : std::vector<double>();
    }
    static void expect_near(const std::vector<double> & got, const std::vector<double> & want, double tolerance) {
        ASSERT_GE(want.size(), 4u);
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance * want[i]) << "step " << i + 1;
    }

    Workspace workspace_;
};

TEST_F(Cuda, TrainsToTheCpusLosses) {
    for (const char * type : {"f32", "nf4", "nf4_dq", "q8_0", "q4_0"}) {
        SCOPED_TRACE(type);
        const std::string more = std::string("--lora-dropout 0.1 --base-type ") + type;
        const auto want = losses_on("cpu", "", more + " --compute f32");
        // Every access is checked in the conformance tests, and here with one type.
        const std::string settings = std::string(type) == "nf4_dq" ? "" : "checks=2";
        expect_near(losses_on("cuda-emu", settings, more + " --compute f32"), want, 1e-5);
        expect_near(losses_on("cuda-emu", settings, more), want, 2e-3);
    }
}

TEST_F(Cuda, TrainsEachKindOfAdapterAndOptimizer) {
    for (const char * kind : {"--optim adamw8bit --lora-r 64", "--optim lion8bit --lora-r 64 --lr 1e-4",
                              "--lora-type dora --train-norms", "--lora-type miss --neftune-alpha 5 --recompute all"}) {
        SCOPED_TRACE(kind);
        const std::string more = std::string("--base-type q4_0 --compute f32 ") + kind;
        expect_near(losses_on("cuda-emu", "checks=2", more), losses_on("cpu", "", more), 1e-5);
    }
}

TEST_F(Cuda, WritesWhatTheCpuWrites) {
    const auto text = [&](const std::string & device) {
        const ProcessResult r =
            workspace_.run("ql-chat", "-q -m {model.gguf} --compute f32 --temp 0 -n 12 -p the --device " + device,
                           {"", {"QL_BACKEND_PATH=" QL_BINARY_DIR "/test-backends", "QL_CUDA_EMU=checks=1"}});
        EXPECT_EQ(0, r.code) << r.err;
        return r.out;
    };
    const std::string want = text("cpu");
    EXPECT_GT(want.size(), 8u);
    EXPECT_EQ(text("cuda-emu"), want);
}

TEST_F(Cuda, RefusesInALineWhatItCannotDo) {
    for (const auto & [more, words] :
         {std::pair("--base-type q4_0 --merge-aware=q4_0", "no CUDA kernel encodes weights"),
          {"--memory 30MiB", "the host's memory"}}) {
        const ProcessResult r = run("cuda-emu", "", std::string("-q ") + more);
        EXPECT_NE(0, r.code) << more;
        EXPECT_NE(r.err.find(words), std::string::npos) << more << "\n" << r.err;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
    }
}

TEST_F(Cuda, GivesTheSameBitsInEveryOrder) {
    const auto adapter = [&](const std::string & settings) {
        const ProcessResult r = run("cuda-emu", settings, "-q");
        EXPECT_EQ(0, r.code) << r.err;
        return r.code == 0 ? read_all(workspace_.path("a.gguf")) : "";
    };
    const std::string want = adapter("checks=2,seed=1,delay=50");
    ASSERT_FALSE(want.empty());
    EXPECT_EQ(adapter("checks=2,seed=2,delay=1"), want);
    EXPECT_EQ(adapter("checks=2,seed=3,delay=100"), want);
}

/// Where all layers are computed again already, there is nothing left to plan anew.
TEST_F(Cuda, AFaultEndsTheRunInALine) {
    for (const auto & [settings, words] : {std::pair("alloc=9", "cudaMalloc"),
                                           {"copy=40", "copy was made to fail"},
                                           {"launch=30", "launch was made to fail"},
                                           {"lost=300", "the card was lost"},
                                           {"driver=2", "there is no NVIDIA driver"},
                                           {"driver=3", "the driver is for CUDA 11.0"}}) {
        const ProcessResult r = run("cuda-emu", settings, "-q --recompute all");
        EXPECT_NE(0, r.code) << settings;
        EXPECT_NE(r.err.find(words), std::string::npos) << settings << "\n" << r.err;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
    }
}

TEST_F(Cuda, RefusesProductsInInt8InALine) {
    const ProcessResult r = run("cuda-emu", "", "-q --compute int8");
    EXPECT_EQ(2, r.code);
    EXPECT_NE(r.err.find("compute int8"), std::string::npos) << r.err;
    EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
}

TEST_F(Cuda, AStoryTellerLearnsWhatItLearnsOnTheCpu) {
    const auto text = shared_path("data/text/tinyshakespeare.txt");
    if (!text || !write_stories(workspace_.path("stories.gguf")))
        GTEST_SKIP() << "data/stories260K and data/text are not here: set QL_SHARED to their folder";
    workspace_.write("text.txt", read_all(*text).substr(0, 20000));
    const auto train = [&](const std::string & device, const std::string & compute) {
        const ProcessResult r =
            workspace_.run("ql-finetune",
                           "-q -m {stories.gguf} -d {text.txt} -o {b.gguf} --metrics {m.jsonl}"
                           " --overwrite --ctx 64 --steps 6 --grad-accum 1 --base-type nf4_dq --lr 1e-2"
                           " --device " +
                               device + " --compute " + compute,
                           {"", {"QL_BACKEND_PATH=" QL_BINARY_DIR "/test-backends"}});
        EXPECT_EQ(0, r.code) << device << "\n" << r.err;
        return r.code == 0 ? losses() : std::vector<double>();
    };
    const auto want = train("cpu", "f32");
    ASSERT_FALSE(want.empty());
    EXPECT_LT(want.back(), want.front());
    expect_near(train("cuda-emu", "f32"), want, 1e-5);
    expect_near(train("cuda-emu", "bf16"), want, 5e-3);
}

}  // namespace
}  // namespace ql::test
#endif
