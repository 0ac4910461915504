// Signals and limits of the system: what was learned is kept, or one line says why not; a program never ends silently.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

constexpr const char * kLongRun =
    "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 4 --steps 1000000 --save-every "
    "1000000";

class Signals : public testing::Test {
  protected:
    void expect_one_line(const ProcessResult & r, const std::string & part) const {
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        EXPECT_NE(r.err.find(part), std::string::npos) << r.err;
    }
    Workspace workspace_;
};

void limit(int resource, rlim_t value) {
    const struct rlimit both = {value, value};
    ::setrlimit(static_cast<decltype(RLIMIT_CPU)>(resource), &both);
}

TEST_F(Signals, WhatAsksToEndSavesWhatWasLearned) {
    for (const int number : {SIGTERM, SIGHUP, SIGXCPU}) {
        ProcessOptions options;
        options.interrupt_at = "train", options.interrupt_signal = number;
        const ProcessResult r = workspace_.run("ql-finetune", kLongRun, options);
        EXPECT_EQ(130, r.code) << ::strsignal(number) << "\n" << r.err;
        EXPECT_NE(r.err.find("--resume auto"), std::string::npos) << r.err;
        EXPECT_FALSE(std::filesystem::is_empty(workspace_.path("a.gguf.ckpt")));
        std::filesystem::remove_all(workspace_.path("a.gguf.ckpt"));
    }
}

TEST_F(Signals, AnInterruptedRunHasItsFigures) {
    ProcessOptions options;
    options.interrupt_at = "train";
    const ProcessResult r = workspace_.run("ql-finetune", std::string(kLongRun) + " --json", options);
    EXPECT_EQ(130, r.code) << r.err;
    const auto json = nlohmann::json::parse(r.out, nullptr, false);
    ASSERT_TRUE(json.is_object()) << r.out;
    EXPECT_EQ(json["interrupted"], true);
    EXPECT_TRUE(json["adapter"].is_null());
    EXPECT_TRUE(json["steps"].is_number_integer()) << "0 where the first was not done";
    EXPECT_TRUE(std::filesystem::exists(json["checkpoint"].get<std::string>())) << r.out;
    std::filesystem::remove_all(workspace_.path("a.gguf.ckpt"));
    const ProcessResult whole = workspace_.run(
        "ql-finetune",
        "--json -m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 4 --steps 2");
    const auto ended = nlohmann::json::parse(whole.out, nullptr, false);
    EXPECT_EQ(ended["interrupted"], false) << whole.out;
    EXPECT_TRUE(ended["checkpoint"].is_null()) << "they went with the end of the run";
}

TEST_F(Signals, WorkWithNothingToSaveEndsWithALine) {
    std::string text;
    for (int i = 0; i < 100000; ++i) text += "It was a quiet morning in the town. ";
    workspace_.write("long.txt", text);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        ProcessOptions options;
        options.interrupt_at = "device", options.interrupt_signal = number;
        const ProcessResult r = workspace_.run("ql-perplexity", "-v -m {model.gguf} -f {long.txt}", options);
        EXPECT_EQ(130, r.code) << ::strsignal(number) << "\n" << r.err;
        EXPECT_TRUE(r.err.ends_with("ql-perplexity: interrupted\n")) << r.err;
    }
}

TEST_F(Signals, ALimitOnFileSizesIsAnErrorOfOneLine) {
    ProcessOptions options;
    options.in_child = [] { limit(RLIMIT_FSIZE, 20000); };
    const auto before = workspace_.content();
    ProcessResult r = workspace_.run("ql-quantize", "-q {model.gguf} {q.gguf} nf4_dq", options);
    EXPECT_EQ(1, r.code);
    expect_one_line(r, "file too large");
    EXPECT_EQ(before, workspace_.content());
    r = workspace_.run("ql-finetune",
                       "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 4 --steps 1",
                       options);
    EXPECT_EQ(1, r.code);
    expect_one_line(r, "file too large");
    EXPECT_FALSE(std::filesystem::exists(workspace_.path("a.gguf")));
}

TEST_F(Signals, AModelThatIsCutWhileItIsInUseIsNamed) {
    ProcessOptions options;
    options.input = "hello\n";
    options.input_at = "device";
    options.before_input = [&] { std::filesystem::resize_file(workspace_.path("model.gguf"), 0); };
    const ProcessResult r = workspace_.run("ql-chat", "-v -m {model.gguf} --compute f32", options);
    EXPECT_EQ(1, r.code) << r.err;
    const std::string line = "ql-chat: error: " + workspace_.path("model.gguf") + ": cannot be read any more";
    EXPECT_NE(r.err.find(line), std::string::npos) << r.err;
}

TEST_F(Signals, ThreadsThatCannotStartAreAnErrorOfOneLine) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's own memory is beyond the limit";
#endif
    ProcessOptions options;
    options.in_child = [] { limit(RLIMIT_AS, rlim_t{1} << 30); };
    for (const auto & [program, line] :
         {std::pair{"ql-chat", "-m {model.gguf} -p hello -t 1000"}, {"ql-doctor", "-q --quick -t 1000"}}) {
        const ProcessResult r = workspace_.run(program, line, options);
        EXPECT_EQ(1, r.code) << r.err;
        expect_one_line(r, "1000 threads: the system does not start so many");
        EXPECT_EQ("", r.out);
    }
}

}  // namespace
}  // namespace ql::test
