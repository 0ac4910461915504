// Samples in every form, recognised by their keys.
#include "models/data/forms.hpp"

#include <gtest/gtest.h>

namespace ql {
namespace {

std::string shown(const std::string & json) {
    const auto sample = parse_sample(json);
    if (!sample.ok()) return "error: " + sample.message();
    if (sample->kind == Sample::Kind::text) return "text " + sample->text;
    if (sample->kind == Sample::Kind::completion) return sample->prompt + "|" + sample->text;
    std::string out;
    for (const Message & m : sample->messages) out += m.role + "(" + m.content + ")";
    return out;
}

TEST(DataForms, EachIsRecognisedByItsKeys) {
    EXPECT_EQ(
        shown(
            R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "ü"}, {"role": "assistant", "content": "a"}]})"),
        "system(s)user(ü)assistant(a)");
    EXPECT_EQ(
        shown(R"({"conversations": [{"from": "human", "value": "h"}, {"from": "gpt", "value": "g"}], "system": "s"})"),
        "system(s)user(h)assistant(g)");
    EXPECT_EQ(shown(R"({"instruction": "i", "input": "", "output": "o"})"), "user(i)assistant(o)");
    EXPECT_EQ(shown(R"({"instruction": "i", "input": "in", "output": "o", "text": "ignored"})"),
              "user(i\nin)assistant(o)");
    EXPECT_EQ(shown(R"({"instruction": "i", "output": "o", "input": null})"), "user(i)assistant(o)");
    EXPECT_EQ(shown(R"({"prompt": "p ", "completion": "c"})"), "p |c");
    EXPECT_EQ(shown(R"({"question": "q", "answer": "a", "id": 7})"), "user(q)assistant(a)");
    EXPECT_EQ(shown(R"({"text": "t", "source": "x"})"), "text t");
}

TEST(DataForms, OtherWritingsOfTheSame) {
    EXPECT_EQ(shown(R"({"conversations": [{"role": "user", "content": "h"}, {"role": "assistant", "content": "g"}]})"),
              "user(h)assistant(g)");
    EXPECT_EQ(
        shown(
            R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, {"role": "assistant", "content": "c", "tool_calls": null}], "tools": []})"),
        "user(ab)assistant(c)");
    EXPECT_EQ(
        shown(
            R"({"conversations": [{"from": "human", "value": "h"}, {"from": "observation", "value": "o"}, {"from": "gpt", "value": "g"}]})"),
        "user(h)tool(o)assistant(g)");
}

TEST(DataForms, NothingToTrainIsAnError) {
    for (const char * json : {R"({"messages": [{"role": "user", "content": "u"}]})", R"({"messages": []})",
                              R"({"question": "q", "answer": "  \n"})", R"({"instruction": "i", "output": ""})",
                              R"({"prompt": "p", "completion": ""})", R"({"text": " "})"})
        EXPECT_EQ(shown(json).substr(0, 6), "error:") << json;
}

TEST(DataForms, MessagesNameTheKey) {
    EXPECT_EQ(shown("[1]"), "error: array, not an object");
    EXPECT_EQ(shown(R"({"a": 1, "b": 2})"),
              "error: keys of no known form (a, b); known are messages, conversations, instruction/output, "
              "prompt/completion, question/answer, text");
    EXPECT_EQ(shown(R"({"text": 5})"), "error: \"text\" is number, not a string");
    EXPECT_EQ(shown(R"({"instruction": "x"})"), "error: \"output\" is missing");
    EXPECT_EQ(shown(R"({"messages": {"role": 1}})"), "error: \"messages\" is object, not a list of messages");
    EXPECT_EQ(shown(R"({"messages": [{"role": "user"}]})"), "error: \"messages\", message 1: \"content\" is missing");
    EXPECT_EQ(shown(R"({"messages": [{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}]})"),
              "error: \"messages\", message 2: the role \"robot\" is not known: system, user, assistant and tool are");
    EXPECT_NE(shown("{\"text\": \"a").find("line 1, byte 11: syntax error"), std::string::npos)
        << shown("{\"text\": \"a");
    EXPECT_NE(shown("{\"text\": \"\xff\"}").find("line 1, byte 11: syntax error"), std::string::npos);
    EXPECT_NE(shown(std::string(200000, '[')).find("nested too deep"), std::string::npos);
}

TEST(DataForms, WhatWouldChangeTheSampleIsNotPassedOver) {
    EXPECT_EQ(
        shown(
            R"({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "tools": [{"name": "f"}]})"),
        "error: \"tools\" beside \"messages\" is not supported");
    EXPECT_NE(shown(R"({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{"id": 1}]}]})")
                  .find("\"tool_calls\" is not supported"),
              std::string::npos);
    EXPECT_NE(shown(R"({"conversations": [{"from": "function_call", "value": "x"}, {"from": "gpt", "value": "y"}]})")
                  .find("function_call"),
              std::string::npos);
    EXPECT_NE(
        shown(R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})").find("a part that is not text"),
        std::string::npos);
    EXPECT_NE(
        shown(R"({"instruction": "i", "output": "o", "history": [["a", "b"]]})").find("\"history\" is not supported"),
        std::string::npos);
}

}  // namespace
}  // namespace ql
