// Standard streams that are closed or full, or that nobody reads; and what reaches a terminal.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"
#include "ql/gguf.h"

namespace ql::test {
namespace {

constexpr const char * kToNF4 = "-v {model.gguf} {q.gguf} nf4_dq";

class Streams : public testing::Test {
  protected:
    ProcessResult run(const std::string & program, const std::string & line, std::function<void()> in_child,
                      const std::string & input = "") const {
        ProcessOptions options;
        options.input = input;
        options.in_child = std::move(in_child);
        return workspace_.run(program, line, options);
    }
    std::string read(const std::string & name) const { return read_all(workspace_.path(name)); }
    Workspace workspace_{true};
};

TEST_F(Streams, WhatIsPrintedNeverGoesIntoAFile) {
    ASSERT_EQ(0, run("ql-quantize", kToNF4, {}).code);
    const std::string wanted = read("q.gguf");
    for (const std::vector<int> & closed : {std::vector<int>{2}, {0}, {0, 2}, {1}, {0, 1, 2}}) {
        std::filesystem::remove(workspace_.path("q.gguf"));
        const ProcessResult r = run("ql-quantize", kToNF4, [&] {
            for (const int fd : closed) ::close(fd);
        });
        const bool results_lost = std::count(closed.begin(), closed.end(), 1) > 0;
        EXPECT_EQ(r.code, results_lost ? 1 : 0) << r.err;
        EXPECT_EQ(read("q.gguf") == wanted, true) << "closed: " << testing::PrintToString(closed);
    }
}

TEST_F(Streams, MetricsHoldNothingElseWhereStderrIsClosed) {
    const ProcessResult r = run("ql-finetune",
                                "-v -m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 4 "
                                "--steps 3 --metrics {m.jsonl}",
                                [] { ::close(2); });
    EXPECT_EQ(0, r.code);
    std::istringstream lines(read("m.jsonl"));
    int n = 0;
    for (std::string line; std::getline(lines, line); ++n) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
    EXPECT_EQ(n, 3);
}

/// Commands of every program that print results on stdout.
constexpr std::pair<const char *, const char *> kCommands[] = {
    {"ql-quantize", "{model.gguf} {q.gguf} q8_0"},
    {"ql-convert", "{hf} {q.gguf}"},
    {"ql-adapter", "info {adapter.gguf}"},
    {"ql-quantize", "--help"},
    {"ql-finetune", "-m {model.gguf} -d {data.jsonl} --show-data 1"},
    {"ql-finetune", "-m {model.gguf} -d {data.jsonl} --dry-run --json --ctx 64"},
    {"ql-chat", "-m {model.gguf} -p hello -n 2"},
    {"ql-perplexity", "-m {model.gguf} -f {text.txt} -c 64"},
    {"ql-doctor", "--quick"},
    {"ql-bench", "--version"},
    {"ql-plot", "{run.jsonl} -o {out.png}"}};

TEST_F(Streams, ResultsThatNobodyGetsAreAFailure) {
    const auto full = [] { ::dup2(::open("/dev/full", O_WRONLY), 1); };
    const auto closed = [] { ::close(1); };
    const auto broken = [] {
        int ends[2];
        if (::pipe(ends) == 0) ::dup2(ends[1], 1), ::close(ends[0]), ::close(ends[1]);
    };
    for (const auto & [program, line] : kCommands) {
        SCOPED_TRACE(show_command(program, {line}));
        const std::string error = std::string(program) + ": error: stdout: cannot write: ";
        const auto expect_failure = [&](const std::function<void()> & in_child, const std::string & why) {
            const ProcessResult r = run(program, line, in_child);
            EXPECT_EQ(1, r.code);
            EXPECT_TRUE(r.err.ends_with(error + why + "\n")) << r.err;
        };
        expect_failure(full, "No space left on device");
        expect_failure(closed, "Bad file descriptor");
        expect_failure(broken, "Broken pipe");
    }
}

TEST_F(Streams, AChatWithoutAnInputIsAFailure) {
    const ProcessResult r = run("ql-chat", "-m {model.gguf}", [] { ::close(0); });
    EXPECT_EQ(1, r.code);
    EXPECT_EQ(r.err, "ql-chat: error: stdin: cannot read\n");
}

/// True if the text holds something that a terminal could obey.
bool has_controls(const std::string & text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t') || c == 0x7f;
    });
}

/// A model of one matrix, whose name and architecture clear the screen.
std::string write_hostile_model(const std::string & path) {
    ql_gguf_writer * writer = nullptr;
    const int64_t ne[] = {64, 2};
    const std::vector<float> values(128, 1.0f);
    const std::string name = "tiny\x1b[2J";
    EXPECT_EQ(ql_gguf_writer_create(&writer), QL_OK);
    ql_gguf_set_string(writer, "general.architecture", "llama", 5);
    ql_gguf_set_string(writer, "general.name", name.data(), name.size());
    EXPECT_EQ(ql_gguf_add_tensor(writer, "blk.0.\x1b[31mred\u009b2J.weight", QL_F32, 2, ne, values.data()), QL_OK)
        << ql_error_message();
    EXPECT_EQ(ql_gguf_write(writer, path.c_str()), QL_OK) << ql_error_message();
    ql_gguf_writer_free(writer);
    return path;
}

TEST_F(Streams, TextFromFilesIsEscaped) {
    const std::string model = write_hostile_model(workspace_.path("hostile.gguf"));
    for (const char * line : {"-v {hostile.gguf} {q.gguf} q8_0", "--json {hostile.gguf} {q.gguf} q8_0"}) {
        const ProcessResult r = run("ql-quantize", line, {});
        EXPECT_EQ(0, r.code) << r.err;
        EXPECT_FALSE(has_controls(r.out + r.err)) << r.out << r.err;
        EXPECT_EQ((r.out + r.err).find("\u009b"), std::string::npos);
        EXPECT_NE(r.out.find("1b[31mred\\u009b2J"), std::string::npos) << r.out;
    }
    const ProcessResult r = run("ql-chat", "-m {hostile.gguf} -p hello", {});
    EXPECT_EQ(2, r.code);
    EXPECT_FALSE(has_controls(r.err)) << r.err;
    const ProcessResult absent = run("ql-chat", "-m {\x1b[31m\u202e} -p hello", {});
    EXPECT_EQ(2, absent.code);
    EXPECT_FALSE(has_controls(absent.err)) << absent.err;
    EXPECT_EQ(absent.err.find("\u202e"), std::string::npos);
}

TEST_F(Streams, SamplesAreShownWithoutTheirControls) {
    workspace_.write("red.jsonl", R"({"prompt": "a\u001b[31m\u202e", "completion": "b\n\u009b2J"})"
                                  "\n");
    const ProcessResult r = run("ql-finetune", "-m {model.gguf} -d {red.jsonl} --show-data 1", {});
    EXPECT_EQ(0, r.code) << r.err;
    EXPECT_FALSE(has_controls(r.out)) << r.out;
    EXPECT_NE(r.out.find("a\\x1b[31m\\u202e"), std::string::npos) << r.out;
    EXPECT_NE(r.out.find("\\u009b2J"), std::string::npos) << r.out;
}

TEST_F(Streams, GeneratedTextIsEscapedAndExactInJson) {
    // Random weights write all bytes; some seed's text has a control among its first tokens.
    for (int seed = 1; seed < 20; ++seed) {
        const std::string line =
            "-m {model.gguf} -p hello -n 64 --temp 2 --top-k 0 --top-p 1 --min-p 0 --seed " + std::to_string(seed);
        const ProcessResult json = run("ql-chat", line + " --json", {});
        ASSERT_EQ(0, json.code) << json.err;
        EXPECT_FALSE(has_controls(json.out));
        if (!has_controls(nlohmann::json::parse(json.out)["text"].get<std::string>())) continue;
        const ProcessResult text = run("ql-chat", line, {});
        EXPECT_FALSE(has_controls(text.out)) << text.out;
        EXPECT_NE(text.out.find("\\x"), std::string::npos) << text.out;
        return;
    }
    FAIL() << "no text with a control was generated";
}

}  // namespace
}  // namespace ql::test
