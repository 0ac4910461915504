// A full disk: a small file system in memory, where the test may mount one.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

class NoSpace : public testing::Test {
  protected:
    void SetUp() override { mount("size=64k"); }
    void mount(const char * size) {
        std::filesystem::create_directory(workspace_.path("disk"));
        mounted_ = ::mount("tmpfs", workspace_.path("disk").c_str(), "tmpfs", 0, size) == 0;
        if (!mounted_) GTEST_SKIP() << "no permission to mount a small file system";
    }
    void TearDown() override {
        if (mounted_) ::umount(workspace_.path("disk").c_str());
    }
    void expect_refused(const std::string & program, const std::string & line, const std::string & words = "") {
        const auto before = workspace_.content();
        const ProcessResult r = workspace_.run(program, line);
        SCOPED_TRACE(show_command(program, workspace_.arguments(line)) + "\n" + r.err);
        EXPECT_EQ(1, r.code);
        EXPECT_EQ("", r.out);
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n'));
        EXPECT_NE(r.err.find(words), r.err.npos) << words;
        EXPECT_EQ(before, workspace_.content());
    }
    Workspace workspace_;
    bool mounted_ = false;
};

TEST_F(NoSpace, QuantizedModelThatDoesNotFit) {
    workspace_.write("disk/out.gguf", "GGUF, an older file");
    expect_refused("ql-quantize", "-q {model.gguf} {disk/out.gguf} q8_0");
}

TEST_F(NoSpace, ConvertedModelThatDoesNotFit) {
    workspace_.write("disk/out.gguf", "GGUF, an older file");
    expect_refused("ql-convert", "-q {hf} {disk/out.gguf}");
}

TEST_F(NoSpace, AdapterThatWouldNotFitIsFoundBeforeTraining) {
    expect_refused("ql-finetune", "-q -m {model.gguf} -d {data.jsonl} -o {disk/out.gguf} --ctx 64 --lora-r 32");
    expect_refused("ql-finetune",
                   "-q -m {model.gguf} -d {data.jsonl} -o {out.gguf} --checkpoint-dir {disk/ckpt} --ctx 64 --lora-r 32",
                   "MiB of disk, 64.0 KiB are free");
}

TEST_F(NoSpace, StatesThatWouldNotFitAreFoundBeforeTraining) {
    expect_refused("ql-finetune",
                   "-q -m {model.gguf} -d {data.jsonl} -o {out.gguf} --ctx 64 --lora-r 64 --optim paged_adamw --spill "
                   "{disk}");
}

TEST_F(NoSpace, ConvertedWeightsThatAreToBeSpilled) {
    const std::string how = " --base-type q8_0 --memory 1GiB --spill {disk}";
    for (const auto & [program, line] : {std::pair{"ql-finetune", "-q -d {data.jsonl} -o {out.gguf} --ctx 64"},
                                         {"ql-chat", "-q -p x"},
                                         {"ql-perplexity", "-q -d {data.jsonl}"}})
        expect_refused(program, std::string("-m {model.gguf} ") + line + how, "the disk is full");
}

/// Writes to a file until the disk is full.
void fill(const std::string & path) {
    std::ofstream file(path, std::ios::binary);
    for (const std::string page(4096, 'x');
         file.write(page.data(), static_cast<std::streamsize>(page.size())).flush();) {
    }
}

TEST_F(NoSpace, AResumedRunTakesTheRoomOfOldCheckpoints) {
    TearDown();
    mount("size=4m");
    if (!mounted_) return;
    const std::string line =
        "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --checkpoint-dir {disk/ckpt} --ctx 64 --grad-accum 1 --lora-r "
        "4 "
        "--steps 12 --save-every 2 --keep 3 --keep-checkpoints";
    ASSERT_EQ(0, workspace_.run("ql-finetune", line).code);
    const std::string straight = read_all(workspace_.path("a.gguf"));
    std::filesystem::remove(workspace_.path("a.gguf"));
    std::filesystem::remove(workspace_.path("disk/ckpt/step-00000012.gguf"));
    fill(workspace_.path("disk/filler"));
    const ProcessResult r = workspace_.run("ql-finetune", line + " --resume auto");
    EXPECT_EQ(0, r.code) << r.err;
    EXPECT_EQ(straight, read_all(workspace_.path("a.gguf")));
    EXPECT_TRUE(std::filesystem::exists(workspace_.path("disk/ckpt/step-00000012.gguf")));
    EXPECT_TRUE(std::filesystem::exists(workspace_.path("disk/ckpt/step-00000010.gguf")));
    EXPECT_FALSE(std::filesystem::exists(workspace_.path("disk/ckpt/step-00000008.gguf")));
}

TEST_F(NoSpace, ADiskThatFillsUpLaterEndsTheRunWithTheLineToGoOn) {
    TearDown();
    mount("size=4m");
    if (!mounted_) return;
    ProcessOptions options;
    options.input = "x", options.input_at = "step 20:";
    options.before_input = [&] {
        for (int i = 0; i < 100; ++i) {  // a checkpoint may just go, and leave room for another one
            fill(workspace_.path("disk/filler-" + std::to_string(i)));
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    };
    const ProcessResult r = workspace_.run(
        "ql-finetune",
        "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --checkpoint-dir {disk/ckpt} --ctx 64 --grad-accum 1 --lora-r 4 "
        "--steps 1000000 --save-every 1 --keep 1 --eval-data {data.jsonl} --eval-every 20",
        options);
    EXPECT_EQ(1, r.code) << r.err;
    EXPECT_NE(r.err.find("; go on with: ql-finetune -m "), std::string::npos) << r.err;
    EXPECT_TRUE(r.err.ends_with(" --resume auto\n")) << r.err;
    EXPECT_EQ(0, workspace_.run("ql-finetune", "-q --export-from {disk/ckpt} -o {so-far.gguf}").code);
}

}  // namespace
}  // namespace ql::test
