// A chat's commands.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

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

/// An adapter that is a part of the session keeps its scale, and the chat goes on.
TEST_F(ChatCommands, AnAdapterThatCannotBeSwitchedIsNamed) {
    for (const auto & [option, why] : {std::pair{"--lora-type dora", "is a DoRA"},
                                       {"--train-norms", "holds trained norms"},
                                       {"--train-tokens 7", "holds rows of tokens"}}) {
        const ProcessResult trained =
            workspace_.run("ql-finetune",
                           "-q -m {model.gguf} -d {data.jsonl} -o {fixed.gguf} --overwrite --steps 1 --ctx 64 "
                           "--grad-accum 1 --lora-r 4 " +
                               std::string(option));
        ASSERT_EQ(0, trained.code) << trained.err;
        const std::string fixed = workspace_.path("fixed.gguf"),
                          loras = "--lora {adapter.gguf}:90 --lora {fixed.gguf} ";
        for (const char * command : {"/lora 1", "/lora off", "/lora 2 0.5"}) {
            const ProcessResult r = chat(loras, std::string(command) + "\n/lora\nhello\n");
            EXPECT_EQ(0, r.code) << command << r.err;
            EXPECT_NE(
                r.err.find("ql-chat: /lora: adapter 2 (" + fixed + ") " + why +
                           ": it applies with its scale of 1.00 for the whole chat; start again with another --lora"),
                std::string::npos)
                << r.err;
            EXPECT_TRUE(r.out.starts_with("1  90.00  " + path() + "\n2  1.00  " + fixed + "\n")) << command << r.out;
        }
        EXPECT_EQ(said(loras, "/lora 2\n"), "1  off  " + path() + "\n2  1.00  " + fixed + "\n") << "its scale stays";
        EXPECT_EQ(said(loras, "/lora 1 0.5\n"), "1  0.50  " + path() + "\n2  1.00  " + fixed + "\n");
    }
}

TEST_F(ChatCommands, AreListedAndUnknownOnesSaid) {
    const std::string help = said("", "/help\n");
    for (const char * name :
         {"/help", "/reset", "/system", "/retry", "/undo", "/save", "/load", "/temp", "/lora", "/exit"})
        EXPECT_NE(help.find(name), std::string::npos) << name;
    const ProcessResult r = chat("", "/helo\n");
    EXPECT_EQ(0, r.code);
    EXPECT_EQ("", r.out);
    EXPECT_NE(r.err.find("ql-chat: /helo is no command; /help lists them"), std::string::npos) << r.err;
}

TEST_F(ChatCommands, ForgetTakeBackAndAnswerAgain) {
    const std::string hello = said("", "hello\n"), two = said("", "hello\nbye\n"), bye = said("", "bye\n");
    ASSERT_TRUE(two.starts_with(hello));
    const std::string second = two.substr(hello.size());
    ASSERT_NE(second, bye) << "what was said before matters";
    EXPECT_EQ(said("", "hello\n/reset\nbye\n"), hello + "what was said is forgotten\n" + bye);
    EXPECT_EQ(said("", "hello\nbye\n/retry\n"), two + second);
    EXPECT_EQ(said("", "hello\n/undo\nbye\n"), hello + "taken back: hello\n" + bye);
    EXPECT_EQ(said("", "hello\n/undo\n/system\nbye\n"), hello + "taken back: hello\nno system message\n" + bye);
    const std::string told = said("--system Quickly.", "hello\n");
    ASSERT_NE(told, hello);
    EXPECT_EQ(said("", "/system Quickly.\nhello\n"), "system message set\n" + told);
    EXPECT_EQ(said("--system Quickly.", "hello\n/reset\nhello\n"), told + "what was said is forgotten\n" + told);
    EXPECT_EQ(said("--system Quickly.", "/system\nhello\n"), "no system message\n" + hello);
    for (const char * command : {"/undo", "/retry"})
        EXPECT_NE(chat("", std::string(command) + "\n").err.find("nothing was answered yet"), std::string::npos);
}

TEST_F(ChatCommands, AChatIsSavedAndGoesOn) {
    const std::string file = workspace_.path("chat.jsonl");
    const std::string hello = said("", "hello\n"), second = said("", "hello\nbye\n").substr(hello.size());
    const std::string saved =
        "2 messages in " + file + "; 1 answer was broken off, marked as not to be trained (\"weight\": 0)\n";
    EXPECT_EQ(said("", "hello\n/save " + file + "\n/save " + file + "\n"), hello + saved + saved);
    EXPECT_EQ(said("", "/load " + file + "\nbye\n"), "2 messages from " + file + "\n" + second);
    EXPECT_NE(chat("", "hello\n/save " + file + "\n").err.find("is there already"), std::string::npos);
    std::string text = read_all(file);
    const std::string mark = ",\"weight\":0";
    ASSERT_NE(text.find(mark), text.npos) << text;
    EXPECT_NE(workspace_.run("ql-finetune", "-m {model.gguf} -d {chat.jsonl} --show-data 1").code, 0);
    workspace_.write("whole.jsonl", text.erase(text.find(mark), mark.size()));
    EXPECT_EQ(0, workspace_.run("ql-finetune", "-m {model.gguf} -d {whole.jsonl} --show-data 1").code) << text;
    const std::string again = said("", "/load " + file + "\n/save " + workspace_.path("again.jsonl") + "\n");
    EXPECT_NE(again.find("1 answer was broken off"), again.npos) << again;
    EXPECT_EQ(read_all(workspace_.path("again.jsonl")), read_all(file));
    for (const auto & [content, message] :
         {std::pair{"[]", "the file has no samples"},
          {"1", "bad.jsonl:1: neither JSON lines nor a JSON array"},
          {"[1]", "is no JSON object"},
          {"[{}", "bad.jsonl:1: the JSON array does not end"},
          {R"({"question": "a"})", "neither a list 'messages' nor a question with its answer"},
          {R"({"question": "a", "answer": "b", "label": 1})", "has a field 'label', which a chat does not keep"},
          {R"({"messages": [{"role": "assistant", "content": "a"}]})", "message 1 is the assistant's, not the user's"},
          {R"({"messages": [{"role": "user", "content": "a"}]})", "the last message has no answer"},
          {R"({"messages": [{"role": "user"}]})", "without role and content"},
          {R"({"messages": [{"role": "user", "content": "a", "name": "b"}]})", "message 1 has a field 'name'"},
          {R"({"messages": [{"role": "user", "content": "a", "weight": 0.5}]})", "a weight other than 0 and 1"},
          {R"({"messages": [], "tools": []})", "has a field 'tools', which a chat does not keep"},
          {"", "bad.jsonl:1: the file is empty"},
          {"{}\n{}\n", "has 2 samples; name one: /load "}}) {
        workspace_.write("bad.jsonl", content);
        const ProcessResult r = chat("", "hello\n/load " + workspace_.path("bad.jsonl") + "\nbye\n");
        EXPECT_NE(r.err.find(message), std::string::npos) << r.err;
        EXPECT_EQ(r.out, hello + second);
    }
}

TEST_F(ChatCommands, ASampleOfADatasetIsTakenUp) {
    workspace_.write("two.jsonl",
                     R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
{"_id": 2, "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "c"}]}
)");
    const std::string file = workspace_.path("two.jsonl");
    EXPECT_EQ(said("", "/load " + file + " 2\n/undo\n"), "2 messages from " + file + " 2\ntaken back: hello\n");
    EXPECT_EQ(said("", "/load " + file + " 1\n/undo\n"), "2 messages from " + file + " 1\ntaken back: a\n");
    EXPECT_NE(chat("", "/load " + file + " 3\n").err.find("there is no sample 3, it has 2"), std::string::npos);
}

/// Numbers are those of ql-finetune, whatever lines the samples are on.
TEST_F(ChatCommands, SamplesAreCountedNotLines) {
    const std::string array = workspace_.write("a.json", R"([
  {"question": "one {",
   "answer": "1"},
  {"instruction": "two \"", "input": "more",
   "output": "2"}
])");
    EXPECT_NE(chat("", "/load " + array + "\n").err.find("has 2 samples; name one"), std::string::npos);
    EXPECT_EQ(said("", "/load " + array + " 2\n/undo\n"),
              "2 messages from " + array + " 2\ntaken back: two \"\nmore\n");
    const std::string rows = workspace_.write("b.jsonl",
                                              "{\"question\": \"a\",\n\"answer\": \"b\"}\n\nrubbish, {\n"
                                              "{\"question\": \"c\", \"answer\": \"d\"}\n");
    const std::string counted = said("", "/load " + rows + " 3\n/undo\n");
    EXPECT_TRUE(
        counted.starts_with("2 messages from " + rows + " 3; line 4 is bad, and counted as sample 2: line 4, byte 1"))
        << counted;
    EXPECT_TRUE(counted.ends_with("\ntaken back: c\n")) << counted;
    EXPECT_EQ(said("", "/load " + rows + " 1\n/undo\n"), "2 messages from " + rows + " 1\ntaken back: a\n");
    EXPECT_NE(chat("", "/load " + rows + " 2\n").err.find("b.jsonl:4: sample 2: line 1, byte 1"), std::string::npos)
        << chat("", "/load " + rows + " 2\n").err;
    const std::string broken = workspace_.write("d.jsonl",
                                                "\xEF\xBB\xBF{\"question\": \"a\n"
                                                "{\"question\": \"e\", \"answer\": \"f\", \"input\": \" \\t\"}\n");
    EXPECT_TRUE(said("", "/load " + broken + " 2\n/undo\n").ends_with("\ntaken back: e\n"))
        << "a string that does not end takes no other sample with it";
    const std::string table = workspace_.write("c.csv", "question,answer\na,b\n");
    EXPECT_NE(chat("", "/load " + table + "\n").err.find("c.csv: a chat is read from .jsonl or .json, not from .csv"),
              std::string::npos);
}

TEST_F(ChatCommands, AreNamedInAnyCaseAndTakeNoMoreThanTheyRead) {
    EXPECT_EQ(said("", "/Temp 0.5\n/TEMP\n"), "temperature 0.50\ntemperature 0.50\n");
    EXPECT_EQ(said(both_, "/Lora off\n"), said(both_, "/lora off\n"));
    for (const char * name : {"/help", "/reset", "/retry", "/undo", "/exit"}) {
        const ProcessResult r = chat("", std::string(name) + " now\n/temp\n");
        EXPECT_EQ(r.out, "temperature 0.00\n") << name;
        EXPECT_NE(r.err.find(std::string(name) + ": 'now' is too much: it takes nothing"), std::string::npos) << r.err;
    }
    const ProcessResult r = chat("", "/save " + workspace_.path("none.jsonl") + "\n");
    EXPECT_NE(r.err.find("/save: nothing was said yet"), std::string::npos) << r.err;
    EXPECT_FALSE(std::filesystem::exists(workspace_.path("none.jsonl")));
}

TEST_F(ChatCommands, AnotherConversationDoesNotReplaceWhatWasSaved) {
    const std::string file = workspace_.path("first.jsonl"), save = "/save " + file + "\n";
    workspace_.write("other.jsonl",
                     R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})");
    ASSERT_EQ(0, chat("", "hello\n" + save).code);
    const std::string first = read_all(file);
    for (const std::string & other : {std::string("/reset\nbye\n"), "/load " + workspace_.path("other.jsonl") + "\n"}) {
        std::filesystem::remove(file);
        EXPECT_NE(chat("", "hello\n" + save + other + save).err.find("is there already"), std::string::npos) << other;
        EXPECT_EQ(read_all(file), first) << other;
    }
    std::filesystem::remove(file);
    EXPECT_EQ(chat("", "hello\n" + save + "/load " + file + "\nbye\n" + save).err.find("ql-chat: "), std::string::npos)
        << "it goes on with the same";
    EXPECT_NE(read_all(file).find("\"bye\""), std::string::npos);
}

/// A script that is refused half-way is no success.
TEST_F(ChatCommands, AMessageThatTheTemplateRefusesEndsWhatIsReadFromAFile) {
    workspace_.write("none.jinja", "{{ raise_exception('nothing here') }}");
    const ProcessResult r = chat("--chat-template {none.jinja}", "hello\n/temp\n");
    EXPECT_EQ(2, r.code);
    EXPECT_EQ("", r.out);
    EXPECT_NE(r.err.find("the template refuses these messages: nothing here"), std::string::npos) << r.err;
}

TEST_F(ChatCommands, AFullContextIsSaidAndLosesNothingOfWhatIsSaved) {
    const std::string file = workspace_.path("long.jsonl");
    const ProcessResult r = workspace_.run("ql-chat", "-m {model.gguf} --temp 0 -c 100 -n 8",
                                           {.input = "hello\nhello\nhello\nhello\nhello\n/save " + file + "\n"});
    EXPECT_NE(r.err.find("are forgotten"), std::string::npos) << r.err;
    EXPECT_NE(r.out.find("10 messages in " + file), std::string::npos) << r.out;
    for (const std::string asked : {"-p hello", ""}) {
        const ProcessResult few =
            workspace_.run("ql-chat", "-m {model.gguf} --temp 0 -n 2 -v " + asked, {.input = "hello\n"});
        EXPECT_NE(few.err.find("note: the answer is broken off: it has the 2 tokens of -n"), std::string::npos)
            << few.err;
    }
    const ProcessResult cut = workspace_.run("ql-chat", "-m {model.gguf} --temp 0 -c 40", {.input = "hello\n"});
    EXPECT_NE(cut.err.find("the answer is broken off: the context of 40 tokens is full"), std::string::npos) << cut.err;
}

TEST_F(ChatCommands, StandardInputIsAMessageALineOrOnePrompt) {
    const std::string lines = said("", "hello\nthe sea\n");
    EXPECT_EQ(lines, said("", "hello\r\nthe sea"));
    for (const std::string how : {"", "--raw ", "--json ", "--raw --json "}) {
        std::vector<std::string> words =
            workspace_.arguments("-m {model.gguf} --compute f32 --temp 0 -n 12 --seed 1 " + how);
        words.insert(words.end(), {"-p", "hello\n\nthe sea"});
        const ProcessResult spoken = run_program("ql-chat", words),
                            read = chat(how + "--seed 1 -p -", "hello\n\nthe sea\r\n");
        EXPECT_EQ(0, read.code) << read.err;
        const auto text = [&](const std::string & out) -> std::string {
            return how.find("json") == how.npos ? out : nlohmann::json::parse(out)["text"].get<std::string>();
        };
        EXPECT_EQ(text(read.out), text(spoken.out)) << how;
        EXPECT_NE(text(read.out), lines);
    }
    const ProcessResult none = chat("-p -", "\n");
    EXPECT_EQ(2, none.code);
    EXPECT_NE(none.err.find("-p -: the text is empty"), none.err.npos) << none.err;
}

/// With a template -p is what a person says in a chat; --raw, or a model without one, makes it a text.
TEST_F(ChatCommands, APromptIsAMessageWhereThereIsATemplate) {
    const auto answer = [&](const std::string & options) {
        const ProcessResult r =
            workspace_.run("ql-chat", "--compute f32 --temp 0 -n 12 -p hello -m {model.gguf} " + options);
        EXPECT_EQ(0, r.code) << r.err;
        return r.out;
    };
    EXPECT_EQ(answer("--chat-template chatml"), answer("--chat --chat-template chatml"));
    EXPECT_NE(answer("--chat-template chatml"), answer("--raw"));
    const std::string own = answer("");
    EXPECT_EQ(own, answer("--chat"));
    EXPECT_EQ(own + "\n", said("", "hello\n") + "\n");
    EXPECT_NE(own, answer("--raw"));
    for (const auto & [options, words] : {std::pair{"--raw --chat", "--raw and --chat contradict each other"},
                                          {"--raw --system x", "leave --raw out"},
                                          {"--raw --chat-template chatml", "leave --raw out"}}) {
        const ProcessResult r = workspace_.run("ql-chat", "-m {model.gguf} -p hello " + std::string(options));
        EXPECT_EQ(2, r.code) << options;
        EXPECT_NE(r.err.find(words), std::string::npos) << r.err;
    }
}

TEST_F(ChatCommands, TheTemperatureChanges) {
    EXPECT_EQ(said("", "/temp\n/temp 0.5\n/temp\n"), "temperature 0.00\ntemperature 0.50\ntemperature 0.50\n");
    EXPECT_NE(chat("", "/temp hot\n").err.find("'hot' is no temperature"), std::string::npos);
    EXPECT_NE(said("", "/temp 50\nhello\n"), "temperature 50.00\n" + said("", "hello\n"));
}

TEST_F(ChatCommands, StopTextsEndAnAnswer) {
    const std::string whole = said("", "hello\n");
    ASSERT_GT(whole.size(), 6u);
    const std::string stop = whole.substr(whole.size() - 3, 2);  // the two letters before the newline
    workspace_.write("run.toml", "stop = [\"nowhere\", " + nlohmann::json(stop).dump() + "]\n");
    const size_t at = whole.find(stop);
    EXPECT_EQ(said("--config {run.toml}", "hello\n"), whole.substr(0, at) + "\n");
    EXPECT_EQ(said("--stop nowhere --stop nowhere-else", "hello\n"), whole);
}

}  // namespace
}  // namespace ql::test
