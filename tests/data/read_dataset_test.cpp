// From files to tokens with labels: which tokens are trained, ends of turns and texts, long samples, bad lines.
#include "models/data/read_dataset.hpp"

#include <gtest/gtest.h>

#include "models/data/pack.hpp"
#include "models/data/render.hpp"
#include "support/growth.hpp"
#include "support/shared.hpp"
#include "support/temporary_folder.hpp"
#include "text/vocabularies.hpp"

namespace ql {
namespace {

class ReadDataset : public testing::Test {
  protected:
    ChatTemplate chat(const std::string & name) const {
        return *open_chat_template(*chat_template_source(name), tokenizer_, QL_TRAINING_DATE);
    }

    /// The samples with their trained tokens in «», or the error.
    std::string read(const std::string & name, const std::string & data, const ReadOptions & options = {},
                     const char * chat_name = "chatml") {
        const std::string path = folder_.write(name, data);
        std::optional<ChatTemplate> chat_template;
        if (chat_name) chat_template = chat(chat_name);
        auto result = read_dataset(path, tokenizer_, chat_template ? &*chat_template : nullptr, options);
        if (!result.ok()) {
            std::string message = result.message();
            const size_t at = message.find(name);
            return "error: " + (at == std::string::npos ? message : message.substr(at));
        }
        last_ = std::move(result).value();
        std::string out;
        for (const TokenSample & sample : last_.samples)
            out += std::to_string(sample.line) + ":" + marked_text(sample, tokenizer_, "«", "»") + "\n";
        return out;
    }

    test::TemporaryFolder folder_;
    Tokenizer tokenizer_ = test::make(test::byte_level_vocab());
    ReadSamples last_;
};

TEST_F(ReadDataset, TrainsAnswersAndTheirEndOfTurnOnly) {
    EXPECT_EQ(
        read("a.jsonl", "{\"question\": \"ab\", \"answer\": \"abc\"}\n\n{\"question\": \"é\", \"answer\": \"ß x\"}\n"),
        "1:<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n«abc<|im_end|>»\n\n3:<|im_start|>user\né<|im_end|>\n<"
        "|im_start|>assistant\n«ß x<|im_end|>»\n\n");
    const TokenSample & sample = last_.samples[0];
    int64_t ends = 0;
    for (size_t i = 0; i < sample.tokens.size(); ++i)
        if (sample.tokens[i] == 262)
            ends += sample.trained[i] ? 100 : 1;  // <|im_end|> of the user, and of the assistant
    EXPECT_EQ(ends, 101);
}

TEST_F(ReadDataset, ATableIsReadAsTheSameSamples) {
    const std::string lines = read("a.jsonl", "{\"question\": \"ab\", \"answer\": \"abc\"}\n");
    EXPECT_EQ("2" + lines.substr(1), read("a.csv", "\xEF\xBB\xBFquestion,answer\nab,abc\n"));
    ReadOptions options;
    options.columns = *parse_columns("question=q,answer=a");
    EXPECT_EQ("2" + lines.substr(1), read("a.tsv", "q\ta\nab\tabc\n", options));
    EXPECT_EQ(read("a.csv", "question,answer\nab\n"), "error: a.csv:2: 1 value in a table of 2 columns");
    options.columns = {}, options.skip_bad_lines = true;
    EXPECT_EQ("3" + lines.substr(1), read("a.csv", "question,answer\nab\nab,abc\n", options));
    EXPECT_EQ(last_.counts.bad, 1);
    EXPECT_EQ(read("a.csv", "question,answer\n\"ab\n"), "error: a.csv:2: a quote in this row does not end");
}

TEST_F(ReadDataset, NoTokenCrossesTheBorderOfPromptAndAnswer) {
    EXPECT_EQ(read("a.json", R"([{"prompt": "xab ", "completion": "ab"}, {"prompt": "xab", "completion": "c ab"},
 {"prompt": "", "completion": "ab"}])"),
              "1:xab «ab</s>»\n1:xab«c ab</s>»\n2:ab«</s>»\n");  // " a" and "abc" are one token each
}

TEST_F(ReadDataset, TextIsTrainedWholeAndEndsWithOneEos) {
    EXPECT_EQ(read("a.jsonl", "{\"text\": \"x ab\"}\n{\"text\": \"x ab</s>\"}\n{\"text\": \"x ab<|im_end|>\"}"),
              "1:x« ab</s>»\n2:x« ab</s>»\n3:x« ab<|im_end|>»\n");
}

TEST_F(ReadDataset, AnswerWithoutAnEndOfTurnGetsEos) {
    const std::string path = folder_.write("t.jinja",
                                           "{% for m in messages %}{{ m.role }}: {{ m.content }}\n\n{% endfor %}{% if "
                                           "add_generation_prompt %}assistant: {% endif %}");
    EXPECT_EQ(read("a.jsonl", R"({"question": "q", "answer": "b"})", {}, path.c_str()),
              "1:user: q\n\nassistant: «b</s>»\n");
}

TEST_F(ReadDataset, AnswersLeftOutCarryNoLoss) {
    const std::string data =
        R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0},
        {"role": "user", "content": "c"}, {"role": "assistant", "content": "x"}]})";
    EXPECT_EQ(read("a.json", data),
              "1:<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n"
              "<|im_start|>assistant\n«x<|im_end|>»\n\n");
    const std::string path = folder_.write("tagged.jinja",
                                           "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ "
                                           "m.content }};{% endgeneration %}{% else "
                                           "%}{{ m.content }}:{% endif %}{% endfor %}");
    EXPECT_EQ(read("a.json", data, {}, path.c_str()), "1:a:b;c:«x;»\n");
}

TEST_F(ReadDataset, EosOfTheTokenizerIsNotPutBehindATurn) {
    Vocab vocab = test::byte_level_vocab();
    vocab.add_eos = vocab.add_bos = true;
    tokenizer_ = test::make(std::move(vocab));
    EXPECT_EQ(read("a.jsonl", "{\"question\": \"q\", \"answer\": \"a\"}\n{\"text\": \"x\"}"),
              "1:<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n«a<|im_end|>»\n\n2:<s>«x</s>»\n");
}

TEST_F(ReadDataset, OneBosOnly) {
    tokenizer_ = test::make(test::sentence_piece_vocab());
    EXPECT_EQ(read("a.jsonl", R"({"question": "a", "answer": "b"})", {}, "mistral"),
              "1:<s> [INST] a [/INST]« b</s>»\n");
    EXPECT_EQ(std::count(last_.samples[0].tokens.begin(), last_.samples[0].tokens.end(), 1), 1);
    read("b.jsonl", R"({"question": "a", "answer": "b"})", {},
         "chatml");  // the template writes none: the tokenizer does
    EXPECT_EQ(last_.samples[0].tokens[0], 1);
    EXPECT_EQ(last_.samples[0].trained[0], 0);
}

TEST_F(ReadDataset, SpaceBeforeAnAnswerIsTrainedWithIt) {  // Mistral writes " b": its first token must not be lost
    tokenizer_ = test::make(test::sentence_piece_vocab());
    read("a.jsonl", R"({"question": "a", "answer": "ab"})", {}, "mistral");
    const TokenSample & sample = last_.samples[0];
    EXPECT_EQ(sample.n_trained(), std::count(sample.trained.begin(), sample.trained.end(), 1));
    EXPECT_EQ(marked_text(sample, tokenizer_, "<", ">").substr(0, 26), "<s> [INST] a [/INST]< ab</");
}

TEST_F(ReadDataset, WindowsOfText) {
    EXPECT_EQ(read("a.txt", "xyzxyz</s>\n", {4}),
              "1:x«yzx»\n1:y«z</»\n1:s«>\n</s>»\n");  // the first </s> is plain text
    EXPECT_EQ(read("a.txt", "wxyz1", {4}), "1:w«xyz»\n1:1«</s>»\n");
    EXPECT_EQ(read("a.txt", "wxyz", {4}), "1:w«xyz»\n1:z«</s>»\n");  // the end alone, after the token before it
    tokenizer_ = test::make(test::sentence_piece_vocab());
    EXPECT_EQ(read("b.txt", "a\na\na\na", {4}), "1:<s>« a\na»\n2:<s>«\na\n»\n4:<s>«a</s>»\n");  // BOS in each window
    EXPECT_EQ(read("c.txt", "", {4}), "error: c.txt: no sample is in this file");
}

TEST_F(ReadDataset, BadLineIsAnErrorWithFileAndLine) {
    const std::string data =
        "{\"text\": \"ab\"}\n\n{\"text\": 1}\nrubbish\n{\"question\": \"q\", \"answer\": \"\"}\n{\"text\": \"abc\"}\n";
    EXPECT_EQ(read("a.jsonl", data), "error: a.jsonl:3: \"text\" is number, not a string");
    EXPECT_EQ(read("a.jsonl", data, {512, QL_LONG_CUT, true}), "1:ab«</s>»\n6:abc«</s>»\n");
    EXPECT_EQ(last_.counts.bad, 3);
    EXPECT_EQ(read("a.json", "[{\"text\": \"ab\"},\n{\"text\" \"ab\"},\n{\"text\": \"c\"}]").substr(0, 33),
              "error: a.json:2: line 2, byte 12:");
    EXPECT_EQ(read("a.json", "[{\"text\": \"ab\"},\n{\"text\" \"ab\"},\n{\"text\": \"c\"}]", {512, QL_LONG_CUT, true}),
              "1:ab«</s>»\n3:c«</s>»\n");
    EXPECT_EQ(read("b.jsonl", "rubbish\n").substr(0, 18), "error: b.jsonl:1: ");
    EXPECT_EQ(read("c.jsonl", "{}\n{}", {512, QL_LONG_CUT, true}),
              "error: c.jsonl: no sample to train on is left (2 bad, 0 too long for --ctx 512); the first bad one: " +
                  folder_.path("c.jsonl") +
                  ":1: keys of no known form (none); known are messages, conversations, "
                  "instruction/output, prompt/completion, question/answer, text");
    EXPECT_EQ(read("d.jsonl", ""), "error: d.jsonl:1: the file is empty");
    EXPECT_EQ(read("e.csv", "question,answer\n"), "error: e.csv: no sample is in this file");
    EXPECT_EQ(read("f.json", "[]"), "error: f.json: no sample is in this file");
}

TEST_F(ReadDataset, TemplateThatRefusesAMessageNamesTheLine) {
    const std::string data =
        "{\"text\": \"ab\"}\n{\"messages\": [{\"role\": \"tool\", \"content\": \"x\"}, {\"role\": \"assistant\", "
        "\"content\": \"y\"}]}\n";
    const std::string message = read("a.jsonl", data, {}, "mistral");
    EXPECT_EQ(message.substr(0, 17), "error: a.jsonl:2:") << message;
    EXPECT_NE(message.find("the role tool is not known to this template"), std::string::npos) << message;
    read("a.jsonl", data, {512, QL_LONG_CUT, true}, "mistral");
    EXPECT_EQ(last_.counts.bad, 1);
}

TEST_F(ReadDataset, ConversationWithoutATemplateSaysTheWayOut) {
    const std::string message =
        read("a.jsonl", R"({"question": "q", "answer": "a"})", {512, QL_LONG_CUT, true}, nullptr);
    EXPECT_NE(message.find("--chat-template"), std::string::npos) << message;
    EXPECT_EQ(read("a.jsonl", R"({"text": "ab"})", {}, nullptr), "1:ab«</s>»\n");
}

TEST_F(ReadDataset, SeveralFilesAreReadInTurn) {
    const std::string bad = "{\"text\": 1}\n";
    const std::vector<std::string> files = {folder_.write("a.jsonl", "{\"text\": \"ab\"}\n" + bad + bad),
                                            folder_.write("b.txt", "xyz"),
                                            folder_.write("c.json", "[{\"text\": \"c\"}]" + std::string())};
    const auto stopped = read_dataset(files, tokenizer_, nullptr, {});
    EXPECT_NE(stopped.message().find("a.jsonl:2:"), std::string::npos) << stopped.message();
    const auto read = read_dataset(files, tokenizer_, nullptr, {512, QL_LONG_CUT, true});
    ASSERT_TRUE(read.ok()) << read.message();
    ASSERT_EQ(read->samples.size(), 3u);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(read->sources[i].file, static_cast<int32_t>(i));
    EXPECT_EQ(read->counts.bad, 2);
    ASSERT_EQ(read->counts.bad_lines.size(), 2u);
    EXPECT_NE(read->counts.bad_lines[1].find("a.jsonl:3: "), std::string::npos) << read->counts.bad_lines[1];
}

TEST_F(ReadDataset, NamesTheFirstFiveLinesThatItSkips) {
    std::string data = "{\"text\": \"ab\"}\n";
    for (int i = 0; i < 9; ++i) data += "no json\n";
    read("a.jsonl", data, {512, QL_LONG_CUT, true});
    EXPECT_EQ(last_.counts.bad, 9);
    EXPECT_EQ(last_.counts.bad_lines.size(), 5u);
}

/// Each becomes a sample that ends with it. The answers before it are not looked at again: each of them would be rendered
/// with all that stands before it.
TEST_F(ReadDataset, ThinkingAnswersAreRenderedAFewTimesEach) {
    const auto chat = ChatTemplate::parse(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ m.content if loop.last else m.content.split('</think>')[-1] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        template_tokens(tokenizer_));
    ASSERT_TRUE(chat.ok()) << chat.message();
    std::vector<Message> messages = {{"user", "q"}};
    std::string list = R"({"role": "user", "content": "q"})";
    for (int i = 0; i < 200; ++i) {
        messages.insert(messages.end(), {{"assistant", "<think>h</think>y"}, {"tool", "t"}});
        list += R"(, {"role": "assistant", "content": "<think>h</think>y"}, {"role": "tool", "content": "t"})";
    }
    const std::string path = folder_.write("a.jsonl", "{\"messages\": [" + list + "]}");
    ReadOptions options;
    options.ctx = 1 << 20;
    size_t n_samples = 0;
    const double once = test::cpu_seconds([&] {
        for (size_t i = 2; i <= messages.size(); i += 2) (void)chat->render(std::span(messages).first(i), false, "");
    });
    const double read = test::cpu_seconds([&] {
        const auto result = read_dataset(path, tokenizer_, &*chat, options);
        ASSERT_TRUE(result.ok()) << result.message();
        n_samples = result->samples.size();
    });
    EXPECT_EQ(n_samples, 200u);
    EXPECT_LE(read, 20 * once + 0.1);
}

TEST_F(ReadDataset, LongSamplesAreCutDroppedOrRefused) {
    const std::string data =
        "{\"prompt\": \"xyz\", \"completion\": \"12345\"}\n{\"prompt\": \"x\", \"completion\": \"1\"}\n{\"prompt\": "
        "\"wxyz98\", \"completion\": \"1\"}\n";
    EXPECT_EQ(read("a.jsonl", data, {5, QL_LONG_CUT}), "1:xyz«12»\n2:x«1</s>»\n");  // no answer is left of the third
    EXPECT_EQ(last_.counts.cut, 1);
    EXPECT_EQ(last_.counts.dropped, 1);
    EXPECT_EQ(last_.counts.longest, 9);
    EXPECT_EQ(last_.sources.size(), last_.samples.size());
    EXPECT_EQ(read("a.jsonl", data, {5, QL_LONG_DROP}), "2:x«1</s>»\n");
    EXPECT_EQ(last_.counts.dropped, 2);
    const std::string refused =
        "error: a.jsonl:1: 9 tokens, more than --ctx 5; use --long cut or --long drop, or a larger --ctx";
    EXPECT_EQ(read("a.jsonl", data, {5, QL_LONG_ERROR}), refused);
    EXPECT_EQ(read("a.jsonl", data, {5, QL_LONG_ERROR, true}), refused);  // not a bad line, so not skipped as one
    EXPECT_EQ(read("a.jsonl", data, {9, QL_LONG_ERROR}).substr(0, 18), "1:xyz«12345</s>»");
    EXPECT_FALSE(read_dataset(folder_.path("a.jsonl"), tokenizer_, nullptr, {1}).ok());
    for (const int64_t ctx : {6, 5}) {  // the whole sample, and one token less
        EXPECT_EQ(read("b.jsonl", R"({"prompt": "xyz", "completion": "12"})", {ctx, QL_LONG_CUT}),
                  ctx == 6 ? "1:xyz«12</s>»\n" : "1:xyz«12»\n");
        EXPECT_EQ(last_.counts.cut, 6 - ctx);
    }
}

TEST_F(ReadDataset, CountsTheSamplesThatTrainAnEnd) {
    const std::string data = "{\"prompt\": \"x\", \"completion\": \"1\"}\n{\"text\": \"wxyz12\"}\n";
    read("a.jsonl", data);
    EXPECT_EQ(last_.counts.ended, 2);
    read("a.jsonl", data, {5});  // the second is cut before its end
    EXPECT_EQ(last_.counts.ended, 1);
    read("a.txt", "wxyz12", {4});
    EXPECT_EQ(last_.counts.ended, 1);
    read("b.jsonl", R"({"question": "x", "answer": ")" + std::string(200, '1') + "\"}", {100});
    EXPECT_EQ(last_.counts.ended, 0);  // the end of the question's turn is not trained
    Vocab vocab = test::byte_level_vocab();
    vocab.eos = -1;
    vocab.tokens[261] = "<stop>", vocab.tokens[262] = "<end>";
    tokenizer_ = test::make(std::move(vocab));
    EXPECT_EQ(read("a.jsonl", data), "1:x«1»\n2:w«xyz12»\n");
    EXPECT_EQ(last_.counts.ended, 0);
}

TEST_F(ReadDataset, ShownTextCannotCommandATerminal) {
    EXPECT_EQ(read("a.jsonl", "{\"text\": \"a\\u001b[2J\\tb\\r\"}"), "1:a«\\x1b[2J\tb\\x0d</s>»\n");
}

TEST_F(ReadDataset, RealFilesOfEachForm) {
    const auto alpaca = test::shared_path("data/instruct/alpaca_en_demo.json"),
               gsm = test::shared_path("data/instruct/gsm8k-test.jsonl"),
               tools = test::shared_path("data/instruct/glaive_toolcall_en_demo.json");
    if (!alpaca || !gsm || !tools) GTEST_SKIP() << "no data/instruct";
    const ChatTemplate chatml = chat("chatml");
    const auto a = read_dataset(*alpaca, tokenizer_, &chatml, {100000});
    ASSERT_TRUE(a.ok()) << a.message();
    EXPECT_EQ(a->counts.bad + a->counts.cut + a->counts.dropped, 0);
    EXPECT_GT(a->samples.size(), 900u);
    const auto g = read_dataset(*gsm, tokenizer_, &chatml, {100000});
    ASSERT_TRUE(g.ok()) << g.message();
    EXPECT_EQ(g->samples.size(), 1319u);
    EXPECT_EQ(g->samples.back().line, 1319);
    for (const TokenSample & sample : g->samples) {
        const std::string text = marked_text(sample, tokenizer_, "«", "»");
        const size_t begin = text.find("assistant\n«"), end = text.find("<|im_end|>»");
        ASSERT_TRUE(begin != std::string::npos && end != std::string::npos) << text;
        EXPECT_EQ(text.find("«"), begin + 10);
        EXPECT_NE(text.substr(begin, end - begin).find("####"), std::string::npos);  // GSM8K's mark of the result
    }
    EXPECT_FALSE(
        read_dataset(*tools, tokenizer_, &chatml, {100000}).ok());  // calls of tools are not supported, and said so
}

}  // namespace
}  // namespace ql
