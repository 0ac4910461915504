// Samples in every form, recognised by their keys.
#include "models/data/forms.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>

#include "support/growth.hpp"

namespace ql {
namespace {

std::string shown(const std::string & json) {
    const auto sample = parse_sample(json);
    if (!sample.ok()) return "error: " + sample.message();
    if (sample->kind == Sample::Kind::text) return "text " + sample->text;
    if (sample->kind == Sample::Kind::completion) return sample->prompt + "|" + sample->text;
    std::string out;
    for (const Message & m : sample->messages)
        out += m.role + (m.name.empty() ? "" : ":" + m.name) + (m.trained || m.role != "assistant" ? "" : "-") + "(" +
               m.content + ")";
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
    EXPECT_EQ(shown(R"({"instruction": "i", "input": "in", "output": "o", "text": "### i ### o"})"),
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
    EXPECT_EQ(
        shown(R"({"a": 1, "b": 2})"),
        "error: keys of no known form (\"a\", \"b\"); known are messages, conversations, instruction/output, "
        "prompt/completion, question/answer, text; --columns question=NAME,answer=NAME says which keys are which");
    EXPECT_EQ(shown(R"({"text": 5})"), "error: \"text\" is number, not a string");
    EXPECT_EQ(shown(R"({"instruction": "x"})"),
              "error: an answer to \"instruction\" is missing or empty: output, response, answer, solution");
    EXPECT_EQ(shown(R"({"messages": {"role": 1}})"), "error: \"messages\" is object, not a list of messages");
    EXPECT_EQ(shown(R"({"messages": [{"role": "user"}]})"), "error: \"messages\", message 1: \"content\" is missing");
    EXPECT_EQ(shown(R"({"messages": [{"role": "user", "content": "x"}, {"role": "robot", "content": "x"}]})"),
              "error: \"messages\", message 2: the role \"robot\" is not known: system, user, assistant and tool are");
    EXPECT_NE(shown("{\"text\": \"a").find("line 1, byte 11: syntax error"), std::string::npos)
        << shown("{\"text\": \"a");
    EXPECT_NE(shown("{\"text\": \"\xff\"}").find("line 1, byte 11: syntax error"), std::string::npos);
    EXPECT_NE(shown(std::string(200000, '[')).find("nested too deep"), std::string::npos);
}

TEST(DataForms, MisspeltKeysAreNamedWithTheNearestRightOne) {
    EXPECT_EQ(
        shown(R"({"quesion": "q", "answer": "a"})"),
        "error: a question to \"answer\" is missing or empty: instruction, question, query, problem, input; there is "
        "\"quesion\" (did you mean \"question\"?)");
    EXPECT_EQ(shown(R"({"question": "q", "answre": "a", "b, c": 1, "solution": ""})"),
              "error: an answer to \"question\" is missing or empty: output, response, answer, solution; there is "
              "\"answre\" (did you mean \"answer\"?), \"b, c\"");
    EXPECT_EQ(shown(R"({"prompt": "p", "Complete": "c"})"),
              "error: \"completion\" is missing or empty: there is nothing to train; there is \"Complete\"");
    EXPECT_NE(shown(R"({"promt": "p", "completion": "c"})")
                  .find(R"(("promt" (did you mean "prompt"?), "completion"); known are)"),
              std::string::npos)
        << shown(R"({"promt": "p", "completion": "c"})");
    std::string many = R"({"question": "q")";
    for (int i = 100; i < 1100; ++i) many += ", \"odd" + std::to_string(i) + "\": 1";
    EXPECT_LT(shown(many + "}").size(), 400u);
}

TEST(DataForms, CapitalsMakeNoOtherField) {
    EXPECT_EQ(shown(R"({"Question": "q", "ANSWER": "a", "System": "s", "Context": "c", "ID": 7, "Source": "x"})"),
              "system(s)user(q\nc)assistant(a)");
    EXPECT_EQ(shown(R"({"Text": "t", "Url": "u"})"), "text t");
    EXPECT_EQ(shown(R"({"question": "q", "Question": "other", "answer": "a"})"),
              "error: fields that are not used here, and not known to be mere description: \"Question\"; remove them, "
              "let their names begin with \"_\", or leave them out (--columns _=NAME)");
    const std::string two = shown(R"({"Question": "q", "QUESTION": "other", "answer": "a"})");
    EXPECT_NE(two.find("there is \"Question\" (did you mean \"question\"?), \"QUESTION\""), two.npos) << two;
    const Columns names = *parse_columns("question=Ask");
    EXPECT_EQ(parse_sample(R"({"Ask": "q", "Answer": "a"})", 1, names)->messages[1].content, "a");
    EXPECT_FALSE(parse_sample(R"({"ask": "q", "Answer": "a"})", 1, names).ok()) << "a name in --columns is exact";
}

TEST(DataForms, ColumnsAreLeftOutByName) {
    const std::string line = R"({"question": "q", "answer": "a", "Nr": 1, "hint, long": "h", "_": 2})";
    EXPECT_FALSE(parse_sample(line, 1, *parse_columns("_=Nr")).ok()) << "of two, one is left";
    const auto both = parse_sample(line, 1, *parse_columns("_=Nr,_=\"hint, long\",_=not there"));
    ASSERT_TRUE(both.ok()) << both.message();
    EXPECT_EQ(both->messages[1].content, "a");
    EXPECT_NE(parse_columns("_=Nr,_=Nr").message().find("'Nr' is given twice"), std::string::npos);
    EXPECT_NE(parse_columns("_=Nr,answer=Nr").message().find("'Nr' is given twice"), std::string::npos);
}

TEST(DataForms, JsonHasNoComments) {
    EXPECT_EQ(shown("// the second half"), "error: JSON has no comments; remove this one");
}

TEST(DataForms, QuestionsAndAnswersHaveManyNames) {
    EXPECT_EQ(shown(R"({"instruction": "i", "context": "c", "response": "r", "category": "open_qa"})"),
              "user(i\nc)assistant(r)");
    EXPECT_EQ(shown(R"({"id": "1", "system_prompt": "s", "question": "q", "response": "r"})"),
              "system(s)user(q)assistant(r)");
    EXPECT_EQ(shown(R"({"question": "q", "context": "CREATE TABLE", "answer": "SELECT"})"),
              "user(q\nCREATE TABLE)assistant(SELECT)");
    EXPECT_EQ(shown(R"({"problem": "p", "level": "5", "type": "Algebra", "solution": "s"})"), "user(p)assistant(s)");
    EXPECT_EQ(shown(R"({"query": "q", "response": "r", "type": "GSM"})"), "user(q)assistant(r)");
    EXPECT_EQ(shown(R"({"instruction": "", "input": "i", "output": "o"})"), "user(i)assistant(o)");
    EXPECT_EQ(shown(R"({"instruction": "i", "output": "o", "history": [["a", "b"], ["c", "d"]], "system": "s"})"),
              "system(s)user(a)assistant(b)user(c)assistant(d)user(i)assistant(o)");
    EXPECT_EQ(shown(R"({"instruction": "i", "output": "o", "history": [["a"]]})"),
              "error: \"history\" is no list of pairs [question, answer]");
}

TEST(DataForms, SystemTextsAreUsed) {
    EXPECT_EQ(shown(R"({"system": "s", "prompt": "p ", "completion": "c"})"), "s\np |c");
    EXPECT_EQ(shown(R"({"question": "q", "answer": "a", "system": "s", "system_prompt": "s"})"),
              "system(s)user(q)assistant(a)");
    const std::string list = R"([{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"}])";
    EXPECT_EQ(shown(R"({"system": "s", "messages": )" + list + "}"), "system(s)user(u)assistant(a)");
    EXPECT_EQ(shown(R"({"system": "t", "messages": )" + list + "}"),
              "error: \"system\" differs from the system message of the conversation");
    EXPECT_EQ(shown(R"({"question": "q", "answer": "a", "system": "s", "system_prompt": "t"})"),
              "error: \"system\" and \"system_prompt\" differ");
}

TEST(DataForms, PromptAndCompletionMayBeMessages) {
    EXPECT_EQ(shown(R"({"prompt": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"},
        {"role": "user", "content": "v"}], "completion": [{"role": "assistant", "content": "b"}], "system": "s"})"),
              "system(s)user(u)assistant-(a)user(v)assistant(b)");
    EXPECT_EQ(shown(R"({"prompt": [{"role": "user", "content": "u"}], "completion": "b"})"),
              "error: \"prompt\" is array, not a string");
    EXPECT_EQ(shown(R"({"prompt": null, "completion": "b"})"), "|b");
}

TEST(DataForms, NullAndEmptyColumnsAreNotThere) {
    EXPECT_EQ(shown(R"({"messages": null, "text": "x"})"), "text x");
    EXPECT_EQ(shown(R"({"messages": [], "conversations": [], "text": "x"})"), "text x");
    EXPECT_EQ(shown(R"({"instruction": null, "output": null, "prompt": "p", "completion": "c", "text": ""})"), "p|c");
    EXPECT_EQ(shown(
                  R"({"messages": [{"role": "user", "content": "u", "name": null, "weight": null}, {"role": "assistant",
            "content": "a", "reasoning_content": "", "tool_calls": [], "function_call": null}], "tools": "",
            "images": [], "functions": "[]", "chosen": {}})"),
              "user(u)assistant(a)");
    EXPECT_EQ(shown(R"({"question": "q", "answer": "[]"})"), "user(q)assistant([])");  // an answer in JSON
    EXPECT_EQ(shown(R"({"messages": [{"role": "user", "content": ""}, {"role": "assistant", "content": "a"}]})"),
              "user()assistant(a)");
}

TEST(DataForms, MasksOfMessagesAreObeyed) {
    const auto masked = [](const std::string & field) {
        return shown(R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a", )" +
                     field + R"(}, {"role": "user", "content": "v"}, {"role": "assistant", "content": "b"}]})");
    };
    for (const char * key :
         {"weight", "train", "training", "trainable", "loss", "loss_mask", "loss_weight", "loss_scale"}) {
        const std::string name = "\"" + std::string(key) + "\": ";
        for (const char * off : {"0", "0.0", "false"})
            EXPECT_EQ(masked(name + off), "user(u)assistant-(a)user(v)assistant(b)") << key << off;
        for (const char * on : {"1", "1.0", "true", "null"})
            EXPECT_EQ(masked(name + on), "user(u)assistant(a)user(v)assistant(b)") << key << on;
        for (const char * other : {"0.5", "\"0\"", "[0, 1]", "-1", "2"})
            EXPECT_NE(masked(name + other).find(name.substr(0, name.size() - 2) + " is "), std::string::npos)
                << masked(name + other);
    }
    for (const char * one_off : {R"("weight": 1, "train": false)", R"("weight": 0, "train": true)"})
        EXPECT_EQ(masked(one_off), "user(u)assistant-(a)user(v)assistant(b)") << one_off;
    EXPECT_NE(
        masked(R"("train_detail": [{"begin_offset": 0, "end_offset": 1, "train": false}])").find("\"train_detail\""),
        std::string::npos);
    EXPECT_EQ(
        shown(R"({"conversations": [{"from": "system", "value": "s", "weight": null}, {"from": "human", "value": "h",
        "weight": 0.0}, {"from": "gpt", "value": "g", "weight": 1.0}]})"),
        "system(s)user(h)assistant(g)");
    EXPECT_EQ(
        shown(
            R"({"messages": [{"role": "user", "content": "u", "train": true}, {"role": "assistant", "content": "a"}]})"),
        "error: \"messages\", message 1: \"train\" is on, but only messages of the assistant are trained");
    EXPECT_EQ(
        shown(
            R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a", "weight": 0}]})"),
        "error: every answer is left out by a weight of 0, or false: there is nothing to train");
}

TEST(DataForms, SamplesMarkedAsBadAreRefused) {
    EXPECT_EQ(shown(R"({"prompt": "p", "completion": "c", "label": true})"), "p|c");
    EXPECT_NE(shown(R"({"prompt": "p", "completion": "c", "label": false})").find("\"label\" is false"),
              std::string::npos);
    EXPECT_NE(shown(R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}],
        "label": false})")
                  .find("\"label\" is false"),
              std::string::npos);
    for (const char * label : {"1", "true", "false", "\"good\""})  // a class, which training would not learn
        EXPECT_NE(shown(R"({"text": "a film", "label": )" + std::string(label) + "}").find("not used here"),
                  std::string::npos)
            << label;
    for (const char * bad : {R"("weight": 0)", R"("train": false)", R"("loss_mask": 0)"})
        EXPECT_NE(shown(R"({"question": "q", "answer": "a", )" + std::string(bad) + "}").find("not to be trained"),
                  std::string::npos);
    EXPECT_EQ(shown(R"({"question": "q", "answer": "a", "weight": 1})"), "user(q)assistant(a)");
}

TEST(DataForms, WhatCannotBeTrainedIsRefusedByName) {
    const char * form[] = {
        R"("messages": [{"role": "user", "content": "<image>"}, {"role": "assistant", "content": "y"}])",
        R"("instruction": "i", "output": "o")",
        R"("prompt": "p", "completion": "c")",
        R"("question": "q", "answer": "a")",
        R"("text": "t")",
        R"("prompt": "p")"};
    for (const char * sample : form)
        for (const char * key : {"functions", "images", "image", "videos", "audios", "chosen", "rejected"}) {
            const std::string message = shown(std::string("{") + sample + ", \"" + key + "\": [{\"a\": \"f\"}]}");
            EXPECT_EQ(message.substr(0, 10 + std::string(key).size()), "error: \"" + std::string(key) + "\":")
                << sample;
        }
    EXPECT_NE(shown(R"({"messages": [{"role": "assistant", "content": "x", "function_call": {"name": "f"}}]})")
                  .find("\"messages\", message 1: \"function_call\":"),
              std::string::npos);
    for (const char * sample : {form[1], form[2], form[3], form[4]})
        EXPECT_NE(shown(std::string("{") + sample + R"(, "tools": [{"name": "f"}]})").find("not used here"),
                  std::string::npos)
            << sample;
    EXPECT_NE(
        shown(R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})").find("a part that is not text"),
        std::string::npos);
}

TEST(DataForms, EveryFieldIsUsedOrDescriptionOrNamed) {
    EXPECT_EQ(shown(R"({"text": "t", "id": 1, "url": "u", "meta": {"a": [1]}, "score": 0.5, "lang": "en", "_mine": 3,
        "__index_level_0__": 2})"),
              "text t");
    EXPECT_EQ(shown(R"({"question": "q", "answer": "a", "hint": "h", "rubric": "r", "more": null, "id": 1})"),
              "error: fields that are not used here, and not known to be mere description: \"hint\", \"rubric\"; "
              "remove them, let their names begin with \"_\", or leave them out (--columns _=NAME)");
    EXPECT_NE(
        shown(R"({"messages": [{"role": "user", "content": "u", "mood": "m"}, {"role": "assistant", "content": "a"}]})")
            .find("message 1: fields that are not used here, and not known to be mere description: \"mood\""),
        std::string::npos);
    EXPECT_NE(shown(R"({"problem": "p", "solution": "s", "answer": "7"})").find("\"solution\""), std::string::npos);
    EXPECT_NE(shown(R"({"text": "t", "system": "s"})").find("\"system\""), std::string::npos);
    EXPECT_NE(shown(R"({"prompt": "p", "completion": "c", "context": "x"})").find("\"context\""), std::string::npos);
    EXPECT_NE(shown("{\"text\": \"t\", \"id url\": 1}").find("\"id url\""), std::string::npos);
    std::string many = R"({"text": "t")";  // the message must not list a thousand names
    for (int i = 100; i < 1100; ++i) many += ", \"odd" + std::to_string(i) + "\": 1";
    EXPECT_NE(shown(many + "}").find("\"odd107\""), std::string::npos);
    EXPECT_EQ(shown(many + "}").find("\"odd108\""), std::string::npos);
    EXPECT_EQ(
        shown(
            R"({"messages": [{"role": "tool", "content": "t", "name": "clock"}, {"role": "assistant", "content": "a"}]})"),
        "tool:clock(t)assistant(a)");
}

TEST(DataForms, DocumentedDescriptionIsAccepted) {
    std::ifstream file(QL_SOURCE_DIR "/docs/data.md");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const size_t begin = text.find("\nDescription: "), end = text.find(".\n", begin);
    ASSERT_NE(begin, std::string::npos);
    int n = 0;
    for (size_t at = begin; (at = text.find('`', at)) < end; ++n) {
        const size_t close = text.find('`', at + 1);
        const std::string name = text.substr(at + 1, close - at - 1);
        EXPECT_EQ(shown("{\"text\": \"t\", \"" + name + "\": \"x\"}"), "text t") << name;
        at = close + 1;
    }
    EXPECT_GT(n, 100);
}

TEST(DataForms, CopiesOfWhatIsUsedMayStandBesideIt) {
    EXPECT_EQ(shown(R"({"prompt": "u\n", "prompt_id": "1", "messages": [{"role": "user", "content": "u"}, {"role":
        "assistant", "content": "yes"}], "text": "<s>u</s> yes"})"),
              "user(u)assistant(yes)");
    EXPECT_NE(shown(R"({"prompt": "other", "messages": [{"role": "user", "content": "u"}, {"role": "assistant",
        "content": "yes"}]})")
                  .find("\"prompt\""),
              std::string::npos);
    EXPECT_NE(shown(R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "yes"}, {"role":
        "user", "content": "v"}, {"role": "assistant", "content": ""}], "text": "every text holds an empty one"})")
                  .find("\"text\""),
              std::string::npos);
}

TEST(DataForms, TimeGrowsWithTheSize) {
    const std::function<std::string(int)> texts[] = {
        [](int n) {  // messages, each beside a column that repeats it
            std::string list, columns;
            for (int i = 0; i < n; ++i) {
                const std::string word = "word" + std::to_string(i);
                list += std::string(i ? "," : "") + R"({"role": "assistant", "content": ")" + word + "\"}";
                columns += ", \"copy" + std::to_string(i) + "\": \"" + word + "\"";
            }
            return "{\"messages\": [" + list + "]" + columns + "}";
        },
        [](int n) {  // fields
            std::string text = R"({"text": "t")";
            for (int i = 0; i < n; ++i) text += ", \"_" + std::to_string(i) + "\": " + std::to_string(i);
            return text + "}";
        },
        [](int n) {  // a search for the answer in a text, at its worst
            const std::string ones(static_cast<size_t>(n) * 16, 'a');
            return R"({"question": "q", "answer": ")" + ones + R"(b", "text": ")" + ones + ones + "\"}";
        },
        [](int n) { return R"({"text": ")" + std::string(static_cast<size_t>(n) * 64, 'x') + "\"}"; },
    };
    for (const auto & text : texts)
        EXPECT_EQ(test::grows_too_fast(text, 60000, [](const std::string & t) { (void)parse_sample(t); }), "");
}

/// The one message after a question, or the error.
Result<Message> answer(const std::string & fields) {
    QL_ASSIGN(
        const Sample sample,
        parse_sample(R"({"messages": [{"role": "user", "content": "u"}, {"role": "assistant", )" + fields + "}]}"));
    return sample.messages[1];
}

TEST(DataForms, CallsOfToolsAreReadInEveryFormOfThem) {
    const std::string openai =
        R"("content": null, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}])";
    const auto message = answer(openai);
    ASSERT_TRUE(message.ok()) << message.message();
    EXPECT_FALSE(message->has_content);
    EXPECT_EQ(message->tool_calls,
              R"([{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}}])");
    const std::string flat = R"([{"type":"function","function":{"name":"f","arguments":{"a":1}}}])";
    EXPECT_EQ(answer(R"("tool_calls": [{"name": "f", "arguments": {"a": 1}}])")->tool_calls, flat);
    EXPECT_EQ(answer(R"("content": "", "tool_calls": "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]")")->tool_calls,
              flat);
    EXPECT_TRUE(
        answer(R"("content": "", "tool_calls": "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]")")->has_content);
    EXPECT_EQ(answer(R"("content": "x", "tool_calls": [])")->tool_calls, "");
    const auto shared = parse_sample(
        R"({"conversations": [{"from": "human", "value": "u"}, {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"a\": 1}}"},
        {"from": "observation", "value": "o"}, {"from": "gpt", "value": "y"}], "tools": "[{\"name\": \"f\"}]"})");
    ASSERT_TRUE(shared.ok()) << shared.message();
    EXPECT_EQ(shared->messages[1].role, "assistant");
    EXPECT_EQ(shared->messages[1].tool_calls, flat);
    EXPECT_EQ(shared->tools, R"([{"name":"f"}])");
}

TEST(DataForms, BadCallsAndToolsAreRefused) {
    const std::pair<const char *, const char *> cases[] = {
        {R"("content": "x", "tool_calls": 3)", "\"tool_calls\" is number, not a list"},
        {R"("content": "x", "tool_calls": "[{")", "\"tool_calls\", as text: line 1"},
        {R"("tool_calls": ["f"])", "\"tool_calls\", item 1: it is string, not an object"},
        {R"("tool_calls": [{"name": " ", "arguments": {}}])", "item 1: it has no \"name\""},
        {R"("tool_calls": [{"function": 3}])", "item 1: it has no \"name\""},
        {R"("tool_calls": [{"name": "f"}])", "item 1: \"arguments\" is missing"},
        {R"("tool_calls": [{"name": "f", "arguments": "x"}])", "\"arguments\" is no object, nor the JSON text of one"},
        {R"("tool_calls": [{"name": "f", "arguments": [1]}])", "\"arguments\" is no object"},
        {R"("content": "x", "reasoning_content": ["a"])", "\"reasoning_content\" is array, not a string"},
        {R"("content": "x", "reasoning_content": "a", "thinking": "b")", "\"thinking\" differs"},
        {R"("content": null)", "\"content\" is null"}};
    for (const auto & [fields, expected] : cases)
        EXPECT_NE(answer(fields).message().find(expected), std::string::npos)
            << fields << "\n"
            << (answer(fields).ok() ? "accepted" : answer(fields).message());
    for (const char * fields : {R"("tool_calls": [{"name": "f", "arguments": {}}])", R"("reasoning": "r")"})
        EXPECT_NE(shown(std::string(R"({"messages": [{"role": "user", "content": "x", )") + fields +
                        R"(}, {"role": "assistant", "content": "a"}]})")
                      .find("in a message that is not the assistant's"),
                  std::string::npos);
    EXPECT_NE(shown(R"({"messages": [{"role": "assistant", "content": "a"}], "tools": [{"description": "d"}]})")
                  .find("\"tools\", item 1: it has no \"name\""),
              std::string::npos);
    EXPECT_EQ(answer(R"("content": "", "reasoning": "r")")->reasoning, "r");
}

}  // namespace
}  // namespace ql
