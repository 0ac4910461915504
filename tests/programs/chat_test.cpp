// A chat's commands.
#include <gtest/gtest.h>

#include <algorithm>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

class ChatCommands : public ::testing::Test {
  protected:
    ProcessResult chat(const std::string & loras, const std::string & input) const {
        return workspace_.run("ql-chat", "-m {model.gguf} --compute f32 --temp 0 -n 12 " + loras, {.input = input});
    }
    std::string said(const std::string & loras, const std::string & input) const {
        const ProcessResult r = chat(loras, input);
        EXPECT_EQ(0, r.code) << r.err;
        return r.out;
    }
    std::string path() const { return workspace_.path("adapter.gguf"); }

    const Workspace workspace_{true};
    const std::string both_ = "--lora {adapter.gguf}:90 --lora {adapter.gguf}:-90";
};

TEST_F(ChatCommands, AdaptersAreListedSwitchedScaledAndSwitchedOff) {
    EXPECT_EQ(said(both_, "/lora\n"), "1  90.00  " + path() + "\n2  -90.00  " + path() + "\n");
    EXPECT_EQ(said(both_, "/lora 2\n"), "1  off  " + path() + "\n2  -90.00  " + path() + "\n");
    EXPECT_EQ(said(both_, " /lora 2 0.5 \n"), "1  90.00  " + path() + "\n2  0.50  " + path() + "\n");
    EXPECT_EQ(said(both_, "/lora off\n"), "1  off  " + path() + "\n2  off  " + path() + "\n");
    EXPECT_EQ(said("", "/lora\n"), "no adapters; give them with --lora\n");
}

TEST_F(ChatCommands, AnswersAreThoseOfTheAdaptersThatApply) {
    const std::string second = said("--lora {adapter.gguf}:-90", "hello\n"), none = said("", "hello\n");
    ASSERT_NE(second, none);
    const auto after = [&](const std::string & commands, const std::string & list) {
        const std::string out = said(both_, commands + "hello\n");
        EXPECT_TRUE(out.starts_with(list)) << out;
        return out.substr(list.size());
    };
    const std::string list2 = "1  off  " + path() + "\n2  -90.00  " + path() + "\n";
    EXPECT_EQ(after("/lora 2\n", list2), second);
    const std::string off = "1  off  " + path() + "\n2  off  " + path() + "\n";
    EXPECT_EQ(after("/lora off\n", off), none);
    EXPECT_EQ(after("/lora off\n/lora 2\n", off + list2), second) << "back on, with the scale of --lora";
}

/// What was said so far is read again by the adapters that apply now.
TEST_F(ChatCommands, AConversationGoesOnWithOtherAdapters) {
    const std::string out = said(both_, "hello\n/lora off\nhello\n/lora 1\nhello\n");
    EXPECT_EQ(std::count(out.begin(), out.end(), '\n') >= 7, true) << out;
    EXPECT_NE(out.find("1  90.00  " + path() + "\n2  off"), std::string::npos) << out;
}

TEST_F(ChatCommands, WhatCannotBeChangesNothing) {
    for (const auto & [command, message] : {std::pair{"/lora 3", "'3' is none of the 2 adapters"},
                                            {"/lora 0", "'0' is none of the 2 adapters"},
                                            {"/lora x", "'x' is none of the 2 adapters"},
                                            {"/lora 1 x", "'x' is no scale; -1000 to 1000 are possible"},
                                            {"/lora 1 1e9", "'1e9' is no scale"},
                                            {"/lora 1 nan", "'nan' is no scale"},
                                            {"/lora off 1", "'off' is none of the 2 adapters"},
                                            {"/lora 1 2 3", "'3' is one word too many"}}) {
        const ProcessResult r = chat(both_, std::string(command) + "\n/lora\n");
        EXPECT_EQ(0, r.code);
        EXPECT_NE(r.err.find("ql-chat: /lora: " + std::string(message)), std::string::npos) << r.err;
        EXPECT_EQ(r.out, "1  90.00  " + path() + "\n2  -90.00  " + path() + "\n") << command;
    }
}

}  // namespace
}  // namespace ql::test
