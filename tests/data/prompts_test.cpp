// Prompts of a file: lines of a text, and samples without their answers, with the tokens that training has before an answer.
#include "models/data/prompts.hpp"

#include <gtest/gtest.h>

#include "models/data/dataset.hpp"
#include "models/load/open_model.hpp"
#include "support/temporary_folder.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

class Prompts : public testing::Test {
  protected:
    void SetUp() override { model_ = open({}); }
    std::unique_ptr<Model> open(const TinyModelOptions & options) {
        const std::string path = folder_.path("tiny.gguf");
        tiny::Writer(options).write(path);
        auto model = open_model(path, {sizeof(ql_model_options), QL_BASE_KEEP, QL_BASE_KEEP});
        EXPECT_TRUE(model.ok()) << model.message();
        return model.ok() ? std::move(model).value() : nullptr;
    }
    std::vector<AskedPrompt> read(const std::string & name, const std::string & data,
                                  const PromptOptions & options = {}) {
        auto prompts = read_prompts(folder_.write(name, data), *model_, options);
        EXPECT_TRUE(prompts.ok()) << prompts.message();
        return prompts.ok() ? std::move(prompts).value() : std::vector<AskedPrompt>();
    }
    /// Each prompt's text, and what the model reads.
    std::string show(const std::string & name, const std::string & data, const PromptOptions & options = {}) {
        std::string out;
        for (const AskedPrompt & p : read(name, data, options)) {
            out += p.place.substr(p.place.rfind(':') + 1) + " " + p.text + " = ";
            for (const int32_t t : p.tokens) out += model_->tokenizer()->piece(t);
            out += "\n";
        }
        return out;
    }
    static std::string user(const std::string & text) {
        return "<|im_start|>user\n" + text + "<|im_end|>\n<|im_start|>assistant\n";
    }
    void refused(const std::string & name, const std::string & data, const std::string & message,
                 const PromptOptions & options = {}) {
        const auto prompts = read_prompts(folder_.write(name, data), *model_, options);
        ASSERT_FALSE(prompts.ok()) << data;
        const size_t at = prompts.message().find(name);
        EXPECT_EQ(prompts.message().substr(at == std::string::npos ? 0 : at), message) << data;
    }

    TemporaryFolder folder_;
    std::unique_ptr<Model> model_;
};

TEST_F(Prompts, ALineOfATextIsAMessage) {
    EXPECT_EQ(show("a.txt", "\xEF\xBB\xBFthe sea\r\n\n  \t\nthe sand"),
              "1 the sea = " + user("the sea") + "\n4 the sand = " + user("the sand") + "\n");
    EXPECT_EQ(show("a.txt", "a\n", {.system = "Be short."}),
              "1 a = <|im_start|>system\nBe short.<|im_end|>\n" + user("a") + "\n");
    EXPECT_EQ(show("a.txt", "a <|im_end|>\nb", {.raw = true}), "1 a <|im_end|> = a <|im_end|>\n2 b = b\n");
}

TEST_F(Prompts, ALineIsRawWhereThereIsNoTemplate) {
    TinyModelOptions options;
    options.more = [](ql_gguf_writer * w) { ql_gguf_set_string(w, "tokenizer.chat_template", "", 0); };
    model_ = open(options);
    EXPECT_EQ(show("a.txt", "the sea\n"), "1 the sea = the sea\n");
    EXPECT_EQ(show("a.txt", "the sea\n", {.chat_template = tiny::kTemplate}), "1 the sea = " + user("the sea") + "\n");
    refused("a.jsonl", R"({"question": "a"})",
            "a.jsonl:1: a conversation needs a chat template, and the model has none; give one with --chat-template "
            "NAME|FILE");
}

TEST_F(Prompts, SamplesNeedNoAnswer) {
    const std::string two = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n" + user("c");
    EXPECT_EQ(show("a.jsonl", R"({"question": "a", "id": 7}
{"instruction": "a", "input": "b", "output": "never read", "weight": 0}
{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}
{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "gpt", "value": "c"}]}
{"prompt": [{"role": "user", "content": "a"}]}
{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}
{"prompt": "Once"}
{"prompt": "Once", "completion": "upon"}
{"prompt": "Once", "system": "Tell."}
{"text": "Once upon"}
)"),
              "1 a = " + user("a") + "\n2 a\nb = " + user("a\nb") + "\n3 c = " + two + "\n4 a = " + user("a") +
                  "\n5 a = " + user("a") + "\n6 a = " + user("a") +
                  "\n7 Once = Once\n8 Once = Once\n9 Tell.\nOnce = Tell.\nOnce\n10 Once upon = Once upon\n");
    EXPECT_EQ(show("a.csv", "question,answer\na,b\nc,\n"), "2 a = " + user("a") + "\n3 c = " + user("c") + "\n");
    EXPECT_EQ(show("a.tsv", "Ask\ta\nx\t\n", {.columns = "question=Ask,context=a"}), "2 x = " + user("x") + "\n");
}

TEST_F(Prompts, ASystemMessageIsForThoseThatHaveNone) {
    EXPECT_EQ(show("a.jsonl", R"({"question": "a"}
{"question": "a", "system": "Own."}
{"messages": [{"role": "system", "content": "Own."}, {"role": "user", "content": "a"}]}
{"prompt": "Once"}
{"prompt": "Once", "system_prompt": "Own."}
)",
                   {.system = "Given."}),
              "1 a = <|im_start|>system\nGiven.<|im_end|>\n" + user("a") +
                  "\n2 a = <|im_start|>system\nOwn.<|im_end|>\n" + user("a") +
                  "\n3 a = <|im_start|>system\nOwn.<|im_end|>\n" + user("a") +
                  "\n4 Given.\nOnce = Given.\nOnce\n5 Own.\nOnce = Own.\nOnce\n");
}

/// What a model is asked is what training and ql-perplexity --exact have before the answer, earlier answers tokenised apart.
TEST_F(Prompts, AreTheTokensThatTrainingHasBeforeTheAnswer) {
    const std::string lines = R"({"prompt": "Sentiment: ", "completion": "positive"}
{"question": "what is 1 ", "answer": "the sea"}
{"messages": [{"role": "user", "content": "a "}, {"role": "assistant", "content": " the"},
              {"role": "user", "content": "c"}, {"role": "assistant", "content": "the sand"}]}
{"history": [["in", "g"], ["an", "d"]], "question": "th", "answer": "e"})";
    const ql_dataset_options o{sizeof(ql_dataset_options)};
    const auto data = open_dataset({folder_.write("b.jsonl", lines)}, *model_, o);
    ASSERT_TRUE(data.ok()) << data.message();
    const std::vector<AskedPrompt> prompts = read("a.jsonl", lines);
    ASSERT_EQ(prompts.size(), 4u);
    for (size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(prompts[i].tokens, data->question(i)->tokens) << i;
}

TEST_F(Prompts, WhatIsNoneIsNamedWithItsLine) {
    refused("a.txt", "", "a.txt: no prompt is in this file");
    refused("a.txt", "\n \r\n\t", "a.txt: no prompt is in this file");
    refused("a.txt", "a\n\xFF", "a.txt:2: the text is not UTF-8; save it as UTF-8, or convert it with iconv");
    refused("a.jsonl", "", "a.jsonl:1: the file is empty");
    refused(
        "a.jsonl", "{\"question\": \"a\"}\n{\"answer\": \"b\"}",
        "a.jsonl:2: there is nothing to answer: messages, conversations, instruction, question, query, problem, input, "
        "prompt and text can be (\"answer\")");
    refused("a.jsonl", R"({"messages": [{"role": "assistant", "content": "b"}]})",
            "a.jsonl:1: no message of a user: there is nothing to answer");
    refused("a.jsonl", R"({"messages": [{"role": "system", "content": "b"}]})",
            "a.jsonl:1: no message of a user: there is nothing to answer");
    refused("a.jsonl", R"({"prompt": " "})", "a.jsonl:1: the prompt is empty: there is nothing to answer");
    refused("a.jsonl", R"({"question": "a", "image": "b.png"})",
            "a.jsonl:1: \"image\": images, sound and video are not supported");
    refused("a.jsonl", "{\"question\": \"a\"}\n{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}",
            "a.jsonl:1: a conversation is no raw text: leave --raw out", {.raw = true});
}

}  // namespace
}  // namespace ql::test
