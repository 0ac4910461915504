// The built-in chat templates: what they write and which bytes are trained. The texts were checked against Jinja
// itself; the markers are the models' public formats.
#include <gtest/gtest.h>

#include "text/chat_templates.hpp"

namespace ql::test {
namespace {

struct Expectation {
    const char * name;
    std::vector<std::string> ends;
    std::string one_turn, two_turns, prompt;  // prompt: of the first message of one turn
};

const std::vector<Expectation> & expectations() {
    static const std::vector<Expectation> all = {
        {"chatml",
         {"<|im_end|>", "<|endoftext|>"},
         "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Hello!<|im_end|>»\n",
         "<|im_start|>system\nBe "
         "brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Hello!<|im_end|>»\n"
         "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n« Bye,\nyou ö <|im_end|>»\n",
         "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
        {"smollm2",
         {"<|im_end|>"},
         "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
         "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Hello!<|im_end|>»\n",
         "<|im_start|>system\nBe "
         "brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Hello!<|im_end|>»\n"
         "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n« Bye,\nyou ö <|im_end|>»\n",
         "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
         "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
        {"qwen2.5",
         {"<|im_end|>", "<|endoftext|>"},
         "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
         "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Hello!<|im_end|>»\n",
         "<|im_start|>system\nBe "
         "brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n«Hello!<|im_end|>»\n"
         "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n« Bye,\nyou ö <|im_end|>»\n",
         "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
         "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"},
        {"llama3",
         {"<|eot_id|>", "<|end_of_text|>"},
         "<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
         "\n\n«Hello!<|eot_id|>»",
         "<s><|start_header_id|>system<|end_header_id|>\n\nBe "
         "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
         "<|start_header_id|>assistant<|end_header_id|>\n\n«Hello!<|eot_id|>»<|start_header_id|>user<|end_header_id|>"
         "\n\nHello!<|eot_id|>"
         "<|start_header_id|>assistant<|end_header_id|>\n\n«Bye,\nyou ö<|eot_id|>»",
         "<s><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>"
         "\n\n"},
        {"mistral",
         {"</s>"},
         "<s>[INST] Hi [/INST]« Hello!</s>»",
         "<s>[INST] Be brief.\n\nHi [/INST]« Hello!</s>»[INST] Hello! [/INST]«  Bye,\nyou ö </s>»",
         "<s>[INST] Hi [/INST]"},
        {"gemma",
         {"<end_of_turn>", "<eos>"},
         "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n«Hello!<end_of_turn>»\n",
         "<s><start_of_turn>user\nBe "
         "brief.\n\nHi<end_of_turn>\n<start_of_turn>model\n«Hello!<end_of_turn>»\n<start_of_turn>user\nHello!<end_of_"
         "turn>\n"
         "<start_of_turn>model\n«Bye,\nyou ö<end_of_turn>»\n",
         "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n"},
        {"phi3",
         {"<|end|>", "<|endoftext|>"},
         "<|user|>\nHi<|end|>\n<|assistant|>\n«Hello!<|end|>»\n",
         "<|system|>\nBe "
         "brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\n«Hello!<|end|>»\n<|user|>\nHello!<|end|>\n<|assistant|>"
         "\n« Bye,\nyou ö <|end|>»\n",
         "<|user|>\nHi<|end|>\n<|assistant|>\n"},
        {"zephyr",
         {"</s>"},
         "<|user|>\nHi</s>\n<|assistant|>\n«Hello!</s>»\n",
         "<|system|>\nBe "
         "brief.</s>\n<|user|>\nHi</s>\n<|assistant|>\n«Hello!</s>»\n<|user|>\nHello!</s>\n<|assistant|>\n« Bye,\nyou "
         "ö </s>»\n",
         "<|user|>\nHi</s>\n<|assistant|>\n"},
        {"alpaca",
         {"</s>"},
         "### Instruction:\nHi\n\n### Response:\n«Hello!</s>»\n\n",
         "Be brief.\n\n### Instruction:\nHi\n\n### Response:\n«Hello!</s>»\n\n### Instruction:\nHello!\n\n### "
         "Response:\n« Bye,\nyou ö </s>»\n\n",
         "### Instruction:\nHi\n\n### Response:\n"},
    };
    return all;
}

TEST(ChatTemplate, BuiltInOnesWriteTheModelsFormatsAndMarkTheAnswers) {
    EXPECT_EQ(expectations().size(), named_templates().size());
    for (const Expectation & e : expectations()) {
        const ChatTemplate chat = named(e.name);
        bool open = true;
        EXPECT_EQ(marked(chat, kOneTurn, e.ends, &open), e.one_turn) << e.name;
        EXPECT_FALSE(open) << e.name;
        EXPECT_EQ(marked(chat, kTwoTurns, e.ends), e.two_turns) << e.name;
        const auto prompt = chat.render(std::span(kOneTurn).first(1), true);
        ASSERT_TRUE(prompt.ok()) << prompt.message();
        EXPECT_EQ(*prompt, e.prompt) << e.name;
    }
}

TEST(ChatTemplate, InferenceAndTrainingShareEveryByteBeforeAnAnswer) {
    for (const Expectation & e : expectations()) {
        const ChatTemplate chat = named(e.name);
        const auto rendered = chat.render_for_training(kTwoTurns, e.ends);
        ASSERT_TRUE(rendered.ok());
        ASSERT_EQ(rendered->trained.size(), 2u);
        EXPECT_EQ(*chat.render(std::span(kTwoTurns).first(2), true),
                  rendered->text.substr(0, rendered->trained[0].begin))
            << e.name;
        EXPECT_EQ(*chat.render(std::span(kTwoTurns).first(4), true),
                  rendered->text.substr(0, rendered->trained[1].begin))
            << e.name;
    }
}

}  // namespace
}  // namespace ql::test
