// A full disk: a small file system in memory, where the test may mount one.
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

class NoSpace : public testing::Test {
  protected:
    void SetUp() override {
        std::filesystem::create_directory(workspace_.path("disk"));
        mounted_ = ::mount("tmpfs", workspace_.path("disk").c_str(), "tmpfs", 0, "size=64k") == 0;
        if (!mounted_) GTEST_SKIP() << "no permission to mount a small file system";
    }
    void TearDown() override {
        if (mounted_) ::umount(workspace_.path("disk").c_str());
    }
    void expect_refused(const std::string & program, const std::string & line) {
        const auto before = workspace_.content();
        const ProcessResult r = workspace_.run(program, line);
        SCOPED_TRACE(show_command(program, workspace_.arguments(line)) + "\n" + r.err);
        EXPECT_EQ(1, r.code);
        EXPECT_EQ("", r.out);
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n'));
        EXPECT_EQ(before, workspace_.content());
    }
    Workspace workspace_;
    bool mounted_ = false;
};

TEST_F(NoSpace, QuantizedModelThatDoesNotFit) {
    workspace_.write("disk/out.gguf", "an older file");
    expect_refused("ql-quantize", "-q {model.gguf} {disk/out.gguf} q8_0");
}

TEST_F(NoSpace, AdapterThatWouldNotFitIsFoundBeforeTraining) {
    expect_refused("ql-finetune", "-q -m {model.gguf} -d {data.jsonl} -o {disk/out.gguf} --ctx 64 --lora-r 32");
    expect_refused(
        "ql-finetune",
        "-q -m {model.gguf} -d {data.jsonl} -o {out.gguf} --checkpoint-dir {disk/ckpt} --ctx 64 --lora-r 32");
}

}  // namespace
}  // namespace ql::test
