// Conversations that are not plain turns, and templates that write an answer differently once other turns follow.
#include <gtest/gtest.h>

#include "models/data/read_dataset.hpp"
#include "models/data/render.hpp"
#include "support/temporary_folder.hpp"
#include "text/vocabularies.hpp"

namespace ql {
namespace {

/// Leaves thoughts out of all answers before the last question, as Qwen 3's template does.
constexpr const char kThinking[] =
    "{% set ns = namespace(last=-1) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 "
    "%}{% "
    "endif %}{% endfor %}{% for m in messages %}[{{ m.role }}]{% if loop.index0 < ns.last and '</think>' in m.content "
    "%}{{ m.content.split('</think>')[-1] | trim }}{% else %}{{ m.content }}{% endif %}</s>{% endfor %}{% if "
    "add_generation_prompt %}[assistant]{% endif %}";

/// The same template with generation blocks.
constexpr const char kThinkingBlocks[] =
    "{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}{{ m.content if loop.last else "
    "m.content.split('</think>')[-1] }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}</s>{% endfor %}{% if "
    "add_generation_prompt %}[assistant]{% endif %}";

/// Puts the system's message before the last question, as Mistral's later templates do: no earlier prompt is a prefix.
constexpr const char kLateSystem[] =
    "{% for m in messages %}{% if m.role == 'user' %}{% if loop.index0 >= messages | length - 2 and messages[0].role "
    "== "
    "'system' %}({{ messages[0].content }}){% endif %}[{{ m.content }}]{% elif m.role == 'assistant' %} {{ m.content "
    "}}</s>{% endif %}{% endfor %}";

class Conversations : public testing::Test {
  protected:
    /// The samples with their trained tokens in «», or the error.
    std::string read(const std::string & chat_template, const std::vector<Message> & messages) {
        std::string list;
        for (const Message & m : messages)
            list += (list.empty() ? "" : ", ") + ("{\"role\": \"" + m.role + "\", \"content\": \"" + m.content + "\"}");
        const std::string path = folder_.write("a.jsonl", "{\"messages\": [" + list + "]}");
        const auto chat = ChatTemplate::parse(chat_template, template_tokens(tokenizer_));
        if (!chat.ok()) return "error: " + chat.message();
        const auto read = read_dataset(path, tokenizer_, &*chat, {});
        if (!read.ok()) return "error: " + read.message().substr(path.size());
        EXPECT_EQ(read->sources.size(), read->samples.size());
        std::string out;
        for (const TokenSample & sample : read->samples) out += marked_text(sample, tokenizer_, "«", "»") + "\n";
        return out;
    }

    test::TemporaryFolder folder_;
    const Tokenizer tokenizer_ = test::make(test::byte_level_vocab());
};

TEST_F(Conversations, AnswerWhoseThoughtsAreLeftOutLaterIsASampleOfItsOwn) {
    const std::vector<Message> messages = {{"user", "a"},
                                           {"assistant", "<think>x</think> b"},
                                           {"user", "c"},
                                           {"assistant", "<think>y</think> d"},
                                           {"user", "e"}};
    const std::string first = "[user]a</s>[assistant]«<think>x</think> b</s>»\n";
    const std::string second = "[user]a</s>[assistant]b</s>[user]c</s>[assistant]«<think>y</think> d</s>»\n";
    EXPECT_EQ(read(kThinking, {messages.begin(), messages.begin() + 4}), first + second);
    EXPECT_EQ(read(kThinking, messages), first + second);  // a question that nobody answers teaches nothing
    EXPECT_EQ(read(kThinking, {{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "<think>y</think> d"}}),
              "[user]a</s>[assistant]«b</s>»[user]c</s>[assistant]«<think>y</think> d</s>»\n");
}

TEST_F(Conversations, AnAnswerBeforeOneThatIsASampleOfItsOwnIsTrainedOnce) {
    const std::vector<Message> messages = {{"user", "a"}, {"assistant", "b"},
                                           {"user", "c"}, {"assistant", "<think>y</think> d"},
                                           {"user", "e"}, {"assistant", "f"}};
    EXPECT_EQ(read(kThinking, messages),
              "[user]a</s>[assistant]b</s>[user]c</s>[assistant]«<think>y</think> d</s>»\n"
              "[user]a</s>[assistant]«b</s>»[user]c</s>[assistant]d</s>[user]e</s>[assistant]«f</s>»\n");
}

TEST_F(Conversations, ThoughtsInGenerationBlocksAreASampleOfTheirOwn) {
    EXPECT_EQ(
        read(kThinkingBlocks, {{"user", "a"}, {"assistant", "<think>x</think>b"}, {"user", "c"}, {"assistant", "d"}}),
        "[user]a</s>[assistant]«<think>x</think>b</s>»\n[user]a</s>[assistant]b</s>[user]c</s>[assistant]«d</s>»\n");
}

TEST_F(Conversations, EarlierPromptNeedNotBeAPrefix) {
    EXPECT_EQ(
        read(kLateSystem, {{"system", "s"}, {"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}}),
        "[a]« b</s>»(s)[c]« d</s>»\n");
}

TEST_F(Conversations, EndInAQuestionOrHoldTwoAnswersInARow) {
    const std::string chatml = *chat_template_source("chatml");
    EXPECT_EQ(read(chatml, {{"user", "a"}, {"assistant", "b"}, {"user", "c"}}),
              "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n«b<|im_end|>»\n<|im_start|>user\nc<|im_end|>\n\n");
    EXPECT_EQ(read(chatml, {{"assistant", "a"}, {"assistant", "b"}}),
              "<|im_start|>assistant\n«a<|im_end|>»\n<|im_start|>assistant\n«b<|im_end|>»\n\n");
}

TEST_F(Conversations, EmptyAnswersAreTrainedToEndAtOnce) {
    EXPECT_EQ(read(*chat_template_source("chatml"),
                   {{"user", "a"}, {"assistant", ""}, {"user", "c"}, {"assistant", " "}, {"assistant", "d"}}),
              "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n«<|im_end|>»\n<|im_start|>user\nc<|im_end|>\n<|im_"
              "start|>assistant\n« <|im_end|>»\n<|im_start|>assistant\n«d<|im_end|>»\n\n");
}

TEST_F(Conversations, WithoutAnyAnswerAreRefused) {
    for (const auto & messages : std::vector<std::vector<Message>>{
             {{"system", "s"}}, {{"user", "a"}}, {{"user", "a"}, {"assistant", ""}}, {{"assistant", "  "}}})
        EXPECT_EQ(read(*chat_template_source("chatml"), messages),
                  "error: :1: no answer of the assistant: there is nothing to train");
}

}  // namespace
}  // namespace ql
