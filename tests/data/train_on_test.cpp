// --train-on: which bytes of real conversations carry loss.
#include <gtest/gtest.h>

#include <map>

#include "data/template_goldens.hpp"
#include "models/data/read_dataset.hpp"
#include "models/data/render.hpp"
#include "support/temporary_folder.hpp"
#include "text/vocabularies.hpp"

namespace ql::test {
namespace {

constexpr TrainedParts kWords{true, false, false}, kReasoning{false, true, false}, kCalls{false, false, true};
constexpr const char * kTemplates[] = {"Qwen-Qwen3-0.6B", "Qwen-Qwen2.5-7B-Instruct", "openai-gpt-oss-120b",
                                       "Mistral-Small-3.2-24B-Instruct-2506", "GLM-4.6"};

class TrainOn : public testing::Test {
  protected:
    /// The trained bytes of a golden conversation, each span in [ ]; or the error.
    std::string trained(const std::string & name, size_t conversation, const TrainedParts & parts) {
        const auto rendered = render(name, conversation, parts);
        if (!rendered.ok()) return "error: " + rendered.message();
        std::string out;
        for (const Span & span : rendered->trained)
            out += "[" + rendered->text.substr(span.begin, span.end - span.begin) + "]";
        return out;
    }
    Result<Rendered> render(const std::string & name, size_t conversation, const TrainedParts & parts) {
        if (!goldens_.contains(name)) goldens_[name] = read_golden(name + ".json");
        const Json & golden = goldens_[name];
        QL_ASSIGN(const ChatTemplate chat, open_template(golden));
        const auto ends = golden["ends"].get<std::vector<std::string>>();
        const Conversation & c = conversations_[conversation];
        return chat.render_for_training(c.messages, ends, parts, c.tools);
    }

    std::map<std::string, Json> goldens_;
    const std::vector<Conversation> conversations_ = golden_conversations();
};

constexpr size_t kFourTurns = 3, kThoughtsInContent = 17, kParallelCalls = 22, kSaysAndCalls = 23, kThinksAndCalls = 28;

TEST_F(TrainOn, ThoughtsWordsAndCallsOfQwen3) {
    const char name[] = "Qwen-Qwen3-0.6B";
    const std::string first = "<think>\nThe clock knows.\n</think>\n\n", second = "<think>\nIt is noon.\n</think>\n\n",
                      call = "<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call><|im_end|>";
    EXPECT_EQ(trained(name, kThinksAndCalls, kReasoning), "[" + first + "][" + second + "]");
    EXPECT_EQ(trained(name, kThinksAndCalls, kCalls), "[" + call + "]");
    EXPECT_EQ(trained(name, kThinksAndCalls, kWords), "[Noon.<|im_end|>]");
    EXPECT_EQ(trained(name, kThinksAndCalls, {}), "[" + first + call + "][" + second + "Noon.<|im_end|>]");
    EXPECT_EQ(trained(name, kThinksAndCalls, {.last_only = true}), "[" + second + "Noon.<|im_end|>]");
    EXPECT_EQ(trained(name, kThinksAndCalls, {.reasoning = false}), "[" + call + "][Noon.<|im_end|>]");
    EXPECT_EQ(trained(name, kThoughtsInContent, kReasoning), "[<think>\nhm\n</think>\n\n]");
    EXPECT_EQ(trained(name, kThoughtsInContent, kWords), "[yes<|im_end|>]");
    EXPECT_EQ(trained(name, kFourTurns, kReasoning), "") << "the template's empty thoughts";
    EXPECT_EQ(trained(name, kFourTurns, {.last_only = true}), "[<think>\n\n</think>\n\n7<|im_end|>]");
    EXPECT_EQ(trained(name, kFourTurns, {.calls = false, .last_only = true}), "[<think>\n\n</think>\n\n7<|im_end|>]");
    EXPECT_EQ(trained(name, kFourTurns, {.reasoning = false, .last_only = true}), "[7<|im_end|>]");
    EXPECT_EQ(trained(name, kFourTurns, {.words = false, .last_only = true}), "") << "marks alone";
}

TEST_F(TrainOn, WordsAndCallsOfQwen25) {
    const char name[] = "Qwen-Qwen2.5-7B-Instruct";
    EXPECT_EQ(trained(name, kParallelCalls, kCalls),
              "[<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"location\": \"Bern\"}}\n</tool_call>\n"
              "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"values\": [1, 1]}}\n</tool_call><|im_end|>]");
    EXPECT_EQ(trained(name, kParallelCalls, kWords), "[Rain, and 2.<|im_end|>]");
    EXPECT_EQ(trained(name, kSaysAndCalls, kWords), "[I shall look.][Noon.<|im_end|>]");
    EXPECT_EQ(trained(name, kSaysAndCalls, kCalls),
              "[\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call><|im_end|>]");
    EXPECT_EQ(trained(name, kFourTurns, {.last_only = true}), "[7<|im_end|>]");
    EXPECT_EQ(trained(name, kFourTurns, {}), "[Hello!<|im_end|>][4<|im_end|>][7<|im_end|>]");
    EXPECT_EQ(trained(name, kFourTurns, kReasoning), "");
    const auto whole = render(name, kFourTurns, {.all = true});
    ASSERT_TRUE(whole.ok());
    EXPECT_EQ(whole->trained, (std::vector<Span>{{0, whole->text.size()}}));
    EXPECT_EQ(whole->answers.size(), 3u) << "what is tokenised apart stays the same";
}

TEST_F(TrainOn, ChannelsOfGptOss) {
    const char name[] = "openai-gpt-oss-120b";
    EXPECT_EQ(trained(name, 14, kReasoning), "[<|channel|>analysis<|message|>17 * 3 = 51.<|end|>]");
    EXPECT_EQ(trained(name, 14, kWords), "[<|start|>assistant<|channel|>final<|message|>51<|return|>]");
    EXPECT_NE(trained(name, kParallelCalls, kCalls).find("get_weather<|channel|>"), std::string::npos);
}

TEST_F(TrainOn, CallsOfMistralAndWhatATemplateCannotWrite) {
    EXPECT_EQ(trained("Mistral-Small-3.2-24B-Instruct-2506", kSaysAndCalls, kCalls),
              "[[TOOL_CALLS]clock[CALL_ID]call00001[ARGS]{}</s>]");
    EXPECT_NE(trained("Mistral-Small-3.2-24B-Instruct-2506", 14, {}).find("it writes no thoughts"), std::string::npos);
}

TEST_F(TrainOn, ArgumentsAsJsonTextReadAsObjects) {
    constexpr size_t kWeather = 20;
    const Json golden = read_golden("Qwen-Qwen2.5-7B-Instruct.json");
    const auto chat = open_template(golden);
    ASSERT_TRUE(chat.ok());
    Conversation c = conversations_[kWeather];
    c.messages[1].tool_calls =
        R"([{"function": {"name": "get_weather", "arguments": "{\"location\": \"Zürich\", \"unit\": \"C\"}"}}])";
    const auto text = chat->render(c.messages, false, c.tools);
    ASSERT_TRUE(text.ok()) << text.message();
    EXPECT_EQ(*text, golden["cases"][kWeather]["text"].get<std::string>());
}

/// All but the marks of thoughts that nobody thought.
TEST_F(TrainOn, PartsAddUpToTheAnswers) {
    const auto is_mark = [](std::string text) {
        std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
        return text == "<think></think>";
    };
    int compared = 0;
    for (const char * name : kTemplates)
        for (size_t i = 0; i < conversations_.size(); ++i) {
            const auto whole = render(name, i, {});
            if (!whole.ok()) continue;
            size_t total = 0;
            for (const Span & answer : whole->answers) total += answer.end - answer.begin;
            std::vector<char> seen(whole->text.size());
            for (const TrainedParts & parts : {kWords, kReasoning, kCalls}) {
                const auto part = render(name, i, parts);
                ASSERT_TRUE(part.ok());
                EXPECT_EQ(part->answers, whole->answers);
                for (const Span & span : part->trained)
                    for (size_t b = span.begin; b < span.end; ++b) {
                        EXPECT_FALSE(seen[b]) << name << ", " << i << ", byte " << b << " is in two parts";
                        seen[b] = 1;
                        --total;
                    }
            }
            std::string left;
            for (const Span & answer : whole->answers) {
                for (size_t b = answer.begin; b < answer.end; ++b)
                    if (!seen[b]) left += whole->text[b];
                if (is_mark(left)) total -= left.size(), left.clear();
            }
            EXPECT_EQ(left, "") << name << ", " << i;
            EXPECT_EQ(total, 0u) << name << ", " << i;
            ++compared;
        }
    EXPECT_GE(compared, 100);
}

/// Datasets of one file, with the tokens that carry loss in [ ].
class TrainOnDatasets : public testing::Test {
  protected:
    std::string read(const std::string & json, const TrainedParts & parts, const char * file = "a.jsonl") {
        const std::string path = folder_.write(file, json);
        const auto chat = ChatTemplate::parse(*chat_template_source("chatml"), template_tokens(tokenizer_));
        const auto read = read_dataset(path, tokenizer_, &*chat, {64, QL_LONG_CUT, false, parts});
        if (!read.ok()) return "error: " + read.message().substr(path.size());
        std::string out;
        for (const TokenSample & sample : read->samples) out += marked_text(sample, tokenizer_, "[", "]");
        return out;
    }
    TemporaryFolder folder_;
    const Tokenizer tokenizer_ = make(byte_level_vocab());
};

TEST_F(TrainOnDatasets, PromptsAndTextsToo) {
    const std::string raw = R"({"prompt": "xy", "completion": "<think>x</think>c"})";
    EXPECT_EQ(read(raw, {}), "xy[<think>x</think>c</s>]");
    EXPECT_EQ(read(raw, {.last_only = true}), "xy[<think>x</think>c</s>]");
    EXPECT_EQ(read(raw, kReasoning), "xy[<think>x</think>]c</s>");
    EXPECT_EQ(read(raw, kWords), "xy<think>x</think>[c</s>]");
    EXPECT_EQ(read(raw, {.all = true}), "x[y<think>x</think>c</s>]") << "the first token is predicted from nothing";
    EXPECT_EQ(read(raw, kCalls), "error: :1: no token of it carries loss: there is nothing to train (--train-on)");
    EXPECT_NE(read("abc", kCalls, "a.txt").find("a plain text has no thoughts or calls"), std::string::npos);
}

TEST_F(TrainOnDatasets, AClosingMarkAloneEndsNoThoughts) {
    const std::string chat =
        R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "x</think>\nc"}]})";
    EXPECT_EQ(read(chat, kWords), "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n[x</think>\nc<|im_end|>]\n");
    EXPECT_EQ(read(R"({"prompt": "q", "completion": "x</think>c"})", kWords), "q[x</think>c</s>]");
    EXPECT_EQ(read(R"({"prompt": "q<think>\n", "completion": "x</think>c"})", kWords), "q<think>\nx</think>[c</s>]");
    EXPECT_EQ(read(R"({"prompt": "q[THINK]", "completion": "x</think>c"})", kWords), "q[THINK][x</think>c</s>]");
}

TEST_F(TrainOnDatasets, MaskLeavesTheTokensAlone) {
    const std::string chat =
        R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>\nb\n</think>\nc"}]})";
    const std::string head = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n";
    EXPECT_EQ(read(chat, {}), head + "[<think>\nb\n</think>\nc<|im_end|>]\n");
    EXPECT_EQ(read(chat, kReasoning), head + "[<think>\nb\n</think>\n]c<|im_end|>\n");
    EXPECT_EQ(read(chat, kWords), head + "<think>\nb\n</think>\n[c<|im_end|>]\n");
}

TEST_F(TrainOnDatasets, WhatTheTemplateLeavesOutIsRefused) {
    EXPECT_NE(
        read(
            R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning": "r"}]})",
            {})
            .find(":1: chat template: it writes no thoughts"),
        std::string::npos);
    EXPECT_NE(
        read(
            R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "tool_calls": [{"name": "f", "arguments": {}}]}]})",
            {})
            .find(":1: chat template: it writes no calls of tools (tool_calls), and message 2 has some"),
        std::string::npos);
    EXPECT_NE(
        read(
            R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "tools": [{"name": "f"}]})",
            {})
            .find(":1: chat template: it writes no tools"),
        std::string::npos);
}

}  // namespace
}  // namespace ql::test
