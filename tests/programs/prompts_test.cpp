// ql-chat --prompts: the answers of a file of prompts, and what of them is there when it fails.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

class PromptFiles : public ::testing::Test {
  protected:
    PromptFiles() {
        workspace_.write("p.txt", "hello\n\nthe sea\nOne more: 3 and 4?\n");
        std::string many;
        for (int i = 0; i < 30; ++i) many += "the sea and number " + std::to_string(i) + "\n";
        workspace_.write("many.txt", many);
    }
    ProcessResult chat(const std::string & line, const ProcessOptions & options = {}) const {
        return workspace_.run("ql-chat", "-m {model.gguf} --compute f32 " + line, options);
    }
    static std::vector<Json> parse(const std::string & text) {
        std::istringstream in(text);
        std::vector<Json> all;
        for (std::string line; std::getline(in, line);) all.push_back(Json::parse(line));
        return all;
    }
    std::vector<Json> lines(const std::string & line) const {
        const ProcessResult r = chat(line);
        EXPECT_EQ(0, r.code) << r.err;
        return parse(r.out);
    }
    /// The text of one prompt by itself, as -p gives it.
    std::string alone(const std::string & prompt, const std::string & options) const {
        std::vector<std::string> words = workspace_.arguments("-m {model.gguf} --compute f32 --json " + options);
        words.insert(words.end(), {"-p", prompt});
        const ProcessResult r = run_program("ql-chat", words);
        EXPECT_EQ(0, r.code) << r.err;
        return r.code == 0 ? Json::parse(r.out)["text"].get<std::string>() : "";
    }
    void refused(const std::string & line, const std::string & words, const ProcessOptions & options = {},
                 int code = 2) const {
        const auto before = workspace_.content();
        const ProcessResult r = chat(line, options);
        EXPECT_EQ(code, r.code) << line << "\n" << r.err;
        EXPECT_EQ(r.out, "") << line;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        EXPECT_NE(r.err.find(words), std::string::npos) << line << "\n" << r.err;
        EXPECT_EQ(workspace_.content(), before) << line;
    }

    const Workspace workspace_{true};
};

TEST_F(PromptFiles, EachIsAnsweredAsByItself) {
    for (const std::string options :
         {"--temp 0 -n 12", "--temp 0 -n 12 --raw", "--temp 0 -n 9 --system Short.",
          "--temp 0 -n 9 --lora {adapter.gguf}:90", "--temp 0 -n 9 --chat-template chatml --repeat-penalty 1.2"}) {
        const std::vector<Json> said = lines("--prompts {p.txt} " + options);
        ASSERT_EQ(said.size(), 3u);
        const char * const prompts[] = {"hello", "the sea", "One more: 3 and 4?"};
        for (size_t i = 0; i < 3; ++i) {
            std::vector<std::string> keys;
            for (const auto & item : said[i].items()) keys.push_back(item.key());
            EXPECT_EQ(keys, (std::vector<std::string>{"prompt", "text", "tokens", "stop"}));
            EXPECT_EQ(said[i]["prompt"], prompts[i]);
            EXPECT_EQ(said[i]["text"], alone(prompts[i], options)) << options;
        }
    }
}

TEST_F(PromptFiles, SayWhyTheyStop) {
    for (const Json & a : lines("--prompts {p.txt} --temp 0 -n 5")) {
        EXPECT_EQ(a["stop"], "length");
        EXPECT_EQ(a["tokens"], 5);
    }
    int full = 0;  // of a random model one may end by itself
    for (const Json & a : lines("--prompts {p.txt} --temp 0 -c 60")) {
        EXPECT_TRUE(a["stop"] == "context" || a["stop"] == "end") << a;
        full += a["stop"] == "context";
    }
    EXPECT_GT(full, 0);
    const std::string whole = lines("--prompts {p.txt} --temp 0 -n 12")[1]["text"];
    ASSERT_GT(whole.size(), 4u);
    workspace_.write("run.toml", "stop = [\"nowhere\", " + Json(whole.substr(2, 2)).dump() + "]\n");
    const Json cut = lines("--config {run.toml} --prompts {p.txt} --temp 0 -n 12")[1];
    EXPECT_EQ(cut["stop"], "text");
    EXPECT_EQ(cut["text"], whole.substr(0, whole.find(whole.substr(2, 2))));
}

TEST_F(PromptFiles, AreWrittenToAFileInOnePiece) {
    const std::string options = "--prompts {many.txt} --temp 1 --seed 3 -n 6 ";
    const ProcessResult shown = chat(options), kept = chat(options + "-o {a.jsonl}");
    EXPECT_EQ(0, kept.code) << kept.err;
    EXPECT_EQ(kept.out, "");
    EXPECT_EQ(read_all(workspace_.path("a.jsonl")), shown.out);
    EXPECT_EQ(parse(shown.out).size(), 30u);
    EXPECT_EQ(chat(options + "-t 1 --memory 1GiB").out, shown.out);
    EXPECT_NE(chat(options + "--seed 4").out, shown.out);
    EXPECT_EQ(chat(options + "-q").err, "");
}

TEST_F(PromptFiles, TakeTheFormsOfDatasets) {
    workspace_.write("q.jsonl", R"({"question": "hello", "answer": "never read"}
{"messages": [{"role": "system", "content": "Short."}, {"role": "user", "content": "the sea"}]}
{"prompt": "Once"}
)");
    const std::vector<Json> said = lines("--prompts {q.jsonl} --temp 0 -n 8");
    ASSERT_EQ(said.size(), 3u);
    EXPECT_EQ(said[0]["text"], alone("hello", "--temp 0 -n 8"));
    EXPECT_EQ(said[1]["text"], alone("the sea", "--temp 0 -n 8 --system Short."));
    EXPECT_EQ(said[2]["text"], alone("Once", "--temp 0 -n 8 --raw"));
    workspace_.write("q.csv", "Ask,More\nhello,x\n");
    EXPECT_EQ(lines("--prompts {q.csv} --columns question=Ask,context=More --temp 0 -n 8")[0]["prompt"], "hello\nx");
}

TEST_F(PromptFiles, AreRefusedByLineBeforeAnyIsAnswered) {
    workspace_.write("empty.txt", "\n \n");
    workspace_.write("bad.jsonl", "{\"question\": \"a\"}\n{\"question\": \n");
    workspace_.write("long.txt", "hello\n" + std::string(400, 'x') + "\n");
    workspace_.write("chat.jsonl", "{\"question\": \"a\"}\n");
    workspace_.write("a.jsonl", "an older file");
    refused("--prompts {empty.txt} -o {a.jsonl}", "empty.txt: no prompt is in this file");
    refused("--prompts {bad.jsonl} -o {a.jsonl}", "bad.jsonl:2: ");
    refused("--prompts {long.txt} -c 100 -o {a.jsonl}", "long.txt:2: the prompt makes ");
    refused("--prompts {absent.txt} -o {a.jsonl}", "absent.txt");
    refused("--prompts {chat.jsonl} --raw", "chat.jsonl:1: a conversation is no raw text: leave --raw out");
    refused("--prompts {p.txt} -o {p.txt}", "-o: " + workspace_.path("p.txt") + " is the input of --prompts");
    refused("--prompts {p.txt} -o {model.gguf}", "is the input of -m");
    refused("--prompts {p.txt} -o {absent/a.jsonl}", "-o: ");
    refused("--prompts {p.txt} -p hello", "give one of them");
    refused("--prompts {p.txt} --logprobs 2", "--logprobs needs -p");
    refused("--prompts {p.txt} --json", "leave --json out");
    refused("--prompts {p.txt} --raw --system x", "leave --raw out");
    refused("--prompts {p.txt} --columns question=a", "--columns has no meaning");
    refused("-p hello -o {a.jsonl}", "-o needs --prompts");
    refused("-p hello --columns question=a", "--columns needs --prompts");
    refused("--prompts {p.txt} --memory 1", "at least");
    refused("--prompts {p.txt} -n 3 ", "cannot write", {.in_child = [] { ::dup2(::open("/dev/full", O_WRONLY), 1); }},
            1);
}

TEST_F(PromptFiles, ADryRunSaysHowManyGrowSideBySide) {
    const ProcessResult r = chat("--prompts {many.txt} -n 4 --dry-run --json");
    EXPECT_EQ(0, r.code) << r.err;
    EXPECT_EQ(Json::parse(r.out)["sequences"], 8);
    EXPECT_EQ(Json::parse(chat("--prompts {p.txt} -n 4 --dry-run --json").out)["sequences"], 3);
    EXPECT_NE(chat("--prompts {many.txt} --dry-run").out.find("answers side by side"), std::string::npos);
}

TEST_F(PromptFiles, NothingIsLeftOfARunThatIsInterruptedOrKilled) {
    std::string endless;
    for (int i = 0; i < 3000; ++i) endless += "the sea and number " + std::to_string(i) + "\n";
    workspace_.write("endless.txt", endless);
    workspace_.write("a.jsonl", "an older file");
    const auto before = workspace_.content();
    for (const auto & [number, code] : {std::pair{SIGINT, 130}, {SIGTERM, 130}, {SIGKILL, 128 + SIGKILL}}) {
        ProcessOptions options;
        options.interrupt_at = "answer", options.interrupt_signal = number;
        const ProcessResult r = chat("--prompts {endless.txt} -n 200 --temp 0 -o {a.jsonl}", options);
        EXPECT_EQ(r.code, code) << r.err;
        EXPECT_EQ(r.out, "");
        EXPECT_EQ(workspace_.content(), before) << number;
        if (code == 130) {
            EXPECT_NE(r.err.find("ql-chat: interrupted\n"), std::string::npos) << r.err;
        }
    }
    ProcessOptions options;  // answers on standard output take the place of progress
    options.interrupt_after = 0.5;
    const ProcessResult shown = chat("--prompts {endless.txt} -n 20 --temp 0", options);
    EXPECT_EQ(shown.code, 130);
    EXPECT_TRUE(shown.out.empty() || shown.out.ends_with("}\n")) << "whole lines";
}

/// From a file or a pipe, a message that is left out is no success.
TEST_F(PromptFiles, AMessageThatIsLeftOutOfAChatIsInItsExitCode) {
    const std::string options = "--temp 0 -n 4 -c 100 ", hello = "hello\n", long_one = std::string(400, 'x') + "\n";
    const ProcessResult said = chat(options, {.input = hello + long_one + hello}),
                        alone = chat(options, {.input = hello});
    EXPECT_EQ(2, said.code);
    EXPECT_EQ(0, alone.code);
    EXPECT_NE(said.err.find("the message is not answered: it makes "), std::string::npos) << said.err;
    EXPECT_TRUE(said.out.starts_with(alone.out)) << "the others are answered";
    EXPECT_EQ(2, std::count(said.out.begin(), said.out.end(), '\n'));
}

}  // namespace
}  // namespace ql::test
