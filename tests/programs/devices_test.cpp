// Fine-tuning on a device with a memory of its own, and on several: the adapter is the CPU's, bit for bit.
#include <gtest/gtest.h>

#include <algorithm>

#include "programs/workspace.hpp"
#include "support/stories_gguf.hpp"

namespace ql::test {
namespace {

class Devices : public testing::Test {
  protected:
    ProcessResult run(const std::string & device, const std::string & adapter, const std::string & more = "") const {
        return workspace_.run("ql-finetune",
                              "-m {model.gguf} -d {data.jsonl} -o {" + adapter +
                                  "} --ctx 64 --eval-split 0.3 --steps 4 --grad-accum 2 --lora-r 4 --device " + device +
                                  " " + more,
                              {"", {"QL_BACKEND_PATH=" QL_BINARY_DIR "/test-backends", faults}});
    }
    std::string trained(const std::string & device, const std::string & adapter) const {
        const ProcessResult r = run(device, adapter, "-q");
        EXPECT_EQ(0, r.code) << device << "\n" << r.err;
        return r.code == 0 ? read_all(workspace_.path(adapter)) : "";
    }

    Workspace workspace_;
    std::string faults = "QL_APART=";
};

TEST_F(Devices, TrainTheSameAdapter) {
    const std::string want = trained("cpu", "cpu.gguf");
    ASSERT_FALSE(want.empty());
    EXPECT_EQ(trained("apart", "one.gguf"), want);
    EXPECT_EQ(trained("apart:0,apart:1,cpu", "three.gguf"), want);
    faults = "QL_APART=without_rope=1";
    EXPECT_EQ(trained("apart", "fallback.gguf"), want);
}

TEST_F(Devices, TrainAStoryTellerToTheSameBits) {
    const auto text = shared_path("data/text/tinyshakespeare.txt");
    if (!text || !write_stories(workspace_.path("stories.gguf")))
        GTEST_SKIP() << "data/stories260K and data/text are not here: set QL_SHARED to their folder";
    workspace_.write("text.txt", read_all(*text).substr(0, 60000));
    const auto adapter = [&](const std::string & device) {
        const ProcessResult r = workspace_.run("ql-finetune",
                                               "-q -m {stories.gguf} -d {text.txt} -o {a.gguf} --overwrite"
                                               " --ctx 128 --steps 20 --grad-accum 2 --lora-dropout 0.1 --device " +
                                                   device,
                                               {"", {"QL_BACKEND_PATH=" QL_BINARY_DIR "/test-backends", faults}});
        EXPECT_EQ(0, r.code) << device << "\n" << r.err;
        return r.code == 0 ? read_all(workspace_.path("a.gguf")) : "";
    };
    const std::string want = adapter("cpu");
    ASSERT_FALSE(want.empty());
    for (const char * order : {"QL_APART=seed=3,delay=1", "QL_APART=seed=4,delay=100"}) {
        faults = order;
        EXPECT_EQ(adapter("apart"), want) << order;
        EXPECT_EQ(adapter("apart:0,apart:1,cpu"), want) << order;
    }
}

TEST_F(Devices, SayWhatRunsWhere) {
    faults = "QL_APART=without_rope=1";
    const ProcessResult r = run("apart:0,cpu", "a.gguf", "-v");
    EXPECT_EQ(0, r.code) << r.err;
    for (const char * words : {"apart:0", "cpu", "rope", "no kernel"})
        EXPECT_NE(r.err.find(words), std::string::npos) << words << "\n" << r.err;
}

TEST_F(Devices, ALostOneEndsTheRunInALine) {
    faults = "QL_APART=lost=3";
    const ProcessResult r = run("apart", "a.gguf", "-q");
    EXPECT_EQ(1, r.code);
    EXPECT_NE(r.err.find("the device was lost"), std::string::npos) << r.err;
    EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
}

}  // namespace
}  // namespace ql::test
