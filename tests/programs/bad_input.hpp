// Runs of programs that must be refused: one line that names what is wrong, exit code 2 or 1, nothing written.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "programs/workspace.hpp"

namespace ql::test {

inline constexpr const char * kFinetune = "ql-finetune";
inline constexpr const char * kChat = "ql-chat";
inline constexpr const char * kQuantize = "ql-quantize";
inline constexpr const char * kConvert = "ql-convert";
inline constexpr const char * kPerplexity = "ql-perplexity";
inline constexpr const char * kBench = "ql-bench";
inline constexpr const char * kDoctor = "ql-doctor";
inline constexpr const char * kAdapter = "ql-adapter";
inline constexpr const char * kPlot = "ql-plot";

/// Arguments with `@` where the broken input goes.
struct Slot {
    const char * program;
    const char * line;
};

class BadInput : public testing::Test {
  protected:
    /// Runs, and expects one line that has all of `words`, one of `codes`, an empty stdout, an unchanged folder.
    void expect_refused(const std::string & program, const std::string & line,
                        const std::vector<std::string> & words = {}, std::vector<int> codes = {1, 2}) {
        const auto before = workspace_.content();
        const ProcessResult r = workspace_.run(program, line);
        SCOPED_TRACE(show_command(program, workspace_.arguments(line)) + "\n" + r.err);
        EXPECT_TRUE(std::find(codes.begin(), codes.end(), r.code) != codes.end()) << "exit code " << r.code;
        EXPECT_EQ("", r.out);
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n'));
        EXPECT_TRUE(r.err.starts_with(program + ": error: "));
        for (const std::string & word : words) EXPECT_NE(r.err.npos, r.err.find(word)) << "should name " << word;
        EXPECT_EQ(before, workspace_.content());
    }
    void expect_refused_budgets(const std::string & program, const std::string & line) {
        expect_refused(program, line + " --memory much", {"--memory", "'much' is no size", "300MiB"}, {2});
        expect_refused(program, line + " --memory 0", {"--memory", "'0' is no size"}, {2});
        expect_refused(program, line + " --memory -1", {"--memory"}, {2});
        expect_refused(program, line + " --memory cuda=4GiB", {"--memory", "no backend 'cuda'"}, {2});
        expect_refused(program, line + " --memory cpu=1GiB,cuda:0=4GiB", {"--memory", "no backend 'cuda'"}, {2});
        expect_refused(program, line + " --memory cpu:1=1GiB", {"--memory", "cpu:1"}, {2});
        expect_refused(program, line + " --memory cpu=1GiB,2GiB", {"--memory", "twice"}, {2});
        expect_refused(program, line + " --memory 1", {"1 byte is given", "at least"}, {2});
        expect_refused(program, line + " --memory cpu=1", {"1 byte is given", "at least"}, {2});
    }
    void expect_each_refused(std::span<const Slot> slots, const std::string & value,
                             const std::vector<std::string> & words = {}, std::vector<int> codes = {1, 2}) {
        for (const Slot & slot : slots) {
            std::string line = slot.line;
            expect_refused(slot.program, line.replace(line.find('@'), 1, value), words, codes);
        }
    }
    Workspace workspace_{true};
};

}  // namespace ql::test
