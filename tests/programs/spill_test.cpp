// --spill of ql-finetune: what is on disk has no name, so it is nobody else's and is gone with its process, in whatever way
// that ends.
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

const std::string kPaged =
    "-m {model.gguf} -d {data.jsonl} --ctx 64 --grad-accum 2 --lora-r 64 --steps 40 --save-every 5 -t 1 "
    "--eval-data {data.jsonl} --eval-every 10 --optim paged_adamw --spill {spill} --memory 60MiB ";
constexpr const char * kTenthStep = "step 10:";

class Spills : public testing::Test {
  protected:
    void SetUp() override {
        std::filesystem::create_directory(spill_);
        run(kPaged + "-q -o {alone.gguf}");
    }
    void run(const std::string & line, const ProcessOptions & options = {}, int code = 0) const {
        const ProcessResult r = workspace_.run("ql-finetune", line, options);
        EXPECT_EQ(code, r.code) << r.err;
    }
    /// As the run that was left alone.
    void expect_same(const std::string & name) const {
        EXPECT_TRUE(read_all(workspace_.path(name)) == read_all(workspace_.path("alone.gguf"))) << name;
    }
    bool is_empty() const { return std::filesystem::is_empty(spill_); }

    Workspace workspace_;
    const std::string spill_ = workspace_.path("spill");
};

TEST_F(Spills, AreGoneWhenTheRunIsKilled) {
    ProcessOptions kill;
    kill.interrupt_at = kTenthStep, kill.interrupt_signal = SIGKILL;
    run(kPaged + "-v -o {a.gguf}", kill, 128 + SIGKILL);
    EXPECT_TRUE(is_empty());
    EXPECT_FALSE(std::filesystem::exists(workspace_.path("a.gguf")));
    run(kPaged + "-q -o {a.gguf} --resume auto");
    expect_same("a.gguf");
    EXPECT_TRUE(is_empty());
}

TEST_F(Spills, AreEachRunsOwn) {
    std::thread other([&] { run(kPaged + "-q -o {b.gguf}"); });
    run(kPaged + "-q -o {a.gguf}");
    other.join();
    expect_same("a.gguf");
    expect_same("b.gguf");
    EXPECT_TRUE(is_empty());
}

TEST_F(Spills, OutliveTheirFolder) {
    ProcessOptions remove;
    remove.input_at = kTenthStep, remove.before_input = [&] { std::filesystem::remove(spill_); };
    run(kPaged + "-v -o {a.gguf}", remove);
    EXPECT_FALSE(std::filesystem::exists(spill_));
    expect_same("a.gguf");
}

}  // namespace
}  // namespace ql::test
