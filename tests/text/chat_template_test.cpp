// Chat templates: which bytes of an answer are trained, what is refused, and where a template comes from.
#include <gtest/gtest.h>

#include "support/temporary_folder.hpp"
#include "text/chat_templates.hpp"

namespace ql::test {
namespace {

TEST(ChatTemplate, UsesGenerationBlocksWhereTheTemplateHasThem) {
    const std::string source =
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% "
        "endgeneration %}{% else %}{{ m.content }}{% endif %}<end>{% endfor %}";
    EXPECT_EQ(marked(make(source), kOneTurn, {"<end>"}), "<user>Hi<end><assistant>«Hello!<end>»");
}

TEST(ChatTemplate, GenerationBlocksWithoutAnAnswerSayNothing) {
    const std::string head = "{% for m in messages %}<{{ m.role }}>",
                      tail =
                          "{% generation %}<end>{% endgeneration %}{% endfor %}{% if add_generation_prompt %}"
                          "<assistant>{% endif %}";
    EXPECT_EQ(marked(make(head + "{{ m.content }}" + tail), kOneTurn, {"<end>"}),
              "<user>Hi<end><assistant>«Hello!<end>»");
    const std::string left_out = marked(make(head + "{{ m.text }}" + tail), kOneTurn, {"<end>"});
    EXPECT_NE(left_out.find("the answer in message 2 cannot be found"), std::string::npos) << left_out;
}

TEST(ChatTemplate, AnswerOutsideOfGenerationBlocksIsNotTrainedByItsEndAlone) {
    const std::string source =
        "{% for m in messages %}<{{ m.role }}>{% if loop.index0 == 1 %}{% generation %}{{ m.content }}<end>"
        "{% endgeneration %}{% else %}{{ m.content }}{% generation %}<end>{% endgeneration %}{% endif %}{% endfor %}";
    const std::vector<Message> turns = {{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}};
    const std::string refused = marked(make(source), turns, {"<end>"});
    EXPECT_NE(refused.find("the answer in message 4 stands outside"), std::string::npos) << refused;
}

TEST(ChatTemplate, LastAnswerAloneIsTrainedWhereOnlyItsBlockIsWritten) {
    const std::string source =
        "{% for m in messages %}<{{ m.role }}>{% if loop.last %}{% generation %}{{ m.content }}<end>{% endgeneration %}"
        "{% else %}{{ m.content }}<end>{% endif %}{% endfor %}";
    EXPECT_EQ(marked(make(source), {{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}}, {"<end>"}),
              "<user>a<end><assistant>b<end><user>c<end><assistant>«d<end>»");
}

/// Templates read a call's missing content in several ways: one writes it all the same, one looks for the key, one asks
/// whether it is none.
TEST(ChatTemplate, ACallWithoutContentIsGivenTheFormThatTheTemplateReads) {
    std::vector<Message> call = {{"user", "q"}, {"assistant", ""}};
    call[1].has_content = false;
    call[1].tool_calls = R"([{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}])";
    const std::string head = "{% for m in messages %}<{{ m.role }}>", name = "{{ m.tool_calls[0].function.name }}",
                      write = name + "{{ m.tool_calls[0].function.arguments | tojson }}",
                      tail = "<end>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";
    for (const std::string & body : {"{{ '' + m.content }}{% if m.tool_calls %}" + write + "{% endif %}",
                                     "{% if 'content' in m %}{{ m.content }}{% else %}" + write + "{% endif %}",
                                     "{% if m.content is none %}" + write + "{% else %}{{ m.content }}{% endif %}"})
        EXPECT_EQ(marked(make(head + body + tail), call, {"<end>"}), "<user>q<end><assistant>«f{\"a\": 1}<end>»")
            << body;
    const std::string text =
        "{% if m.content is none %}{{ 'f' + m.tool_calls[0].function.arguments }}{% else %}"
        "{{ m.content }}{% endif %}";
    EXPECT_EQ(marked(make(head + text + tail), call, {"<end>"}), "<user>q<end><assistant>«f{\"a\":1}<end>»");
    const std::string none = marked(named("chatml"), call, {"<|im_end|>"});
    EXPECT_NE(none.find("it writes no calls of tools (tool_calls), and message 2 has some"), none.npos) << none;
}

TEST(ChatTemplate, SaysWhenNoEndOfTurnFollows) {
    const std::string source =
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% "
        "endif %}";
    bool open = false;
    EXPECT_EQ(marked(make(source), kOneTurn, {"</s>"}, &open), "user: Hi\nassistant: «Hello!»\n");
    EXPECT_TRUE(open);
}

TEST(ChatTemplate, EndTokenOfTheNextTurnIsNotTakenForThisOne) {
    const std::string source =
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.role == 'user' %}<end>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}[assistant]{% endif %}";
    EXPECT_EQ(marked(make(source), {{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}}, {"<end>"}),
              "[user]a<end>[assistant]«b»[user]c<end>[assistant]«d»");
}

TEST(ChatTemplate, EndTokenInsideAnAnswerDoesNotEndIt) {
    EXPECT_EQ(marked(named("chatml"), {{"user", "a"}, {"assistant", "x<|im_end|>y"}}, {"<|im_end|>"}),
              "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n«x<|im_end|>y<|im_end|>»\n");
}

TEST(ChatTemplate, EqualTextsOfUserAndAssistantAreToldApart) {
    EXPECT_EQ(
        marked(named("chatml"), {{"user", "x"}, {"assistant", "x"}, {"user", "x"}, {"assistant", "x"}}, {"<|im_end|>"}),
        "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n«x<|im_end|>»\n<|im_start|>user\nx<|im_end|>\n<|im_"
        "start|>assistant\n«x<|im_end|>»\n");
}

TEST(ChatTemplate, WhatThePromptWritesOfAnAnswerIsNotTrained) {
    const std::string source =
        "{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}[assistant]"
        "<think>{% endif %}";
    EXPECT_EQ(marked(make(source),
                     {{"user", "a"}, {"assistant", "<think>x</think>b"}, {"user", "c"}, {"assistant", "d"}}, {"</s>"}),
              "[user]a</s>[assistant]<think>«x</think>b</s>»[user]c</s>[assistant]«d</s>»");
}

TEST(ChatTemplate, EmptyAnswerTrainsItsEnd) {
    EXPECT_EQ(marked(named("chatml"), {{"user", "x"}, {"assistant", ""}}, {"<|im_end|>"}),
              "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n«<|im_end|>»\n");
    EXPECT_EQ(marked(named("gemma"), {{"user", "x"}, {"assistant", "  "}, {"user", "y"}, {"assistant", "z"}},
                     {"<end_of_turn>"}),
              "<s><start_of_turn>user\nx<end_of_turn>\n<start_of_turn>model\n«<end_of_turn>»\n<start_of_turn>user\ny<"
              "end_of_turn>\n<start_of_turn>model\n«z<end_of_turn>»\n");
}

TEST(ChatTemplate, EmptyAnswersOfALongConversationAreFoundEach) {
    std::vector<Message> turns;
    std::string expected;
    for (int i = 0; i < 20; ++i) {
        turns.push_back({"user", "q" + std::to_string(i)});
        turns.push_back({"assistant", i % 3 == 0 ? "a" : ""});
        expected += "<|im_start|>user\n" + turns[turns.size() - 2].content + "<|im_end|>\n<|im_start|>assistant\n«" +
                    turns.back().content + "<|im_end|>»\n";
    }
    EXPECT_EQ(marked(named("chatml"), turns, {"<|im_end|>"}), expected);
}

TEST(ChatTemplate, RefusesToGuessWhenTheAnswerIsLeftOut) {
    const std::string dropped =
        marked(make("{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}"), kOneTurn,
               {"</s>"});
    EXPECT_NE(dropped.find("the answer in message 2 cannot be found"), std::string::npos) << dropped;
    EXPECT_NE(dropped.find("--chat-template"), std::string::npos) << dropped;
    const std::string mixed = marked(make("{% for m in messages %}{{ m.content }}{% endfor %}{{ messages[1].content "
                                          "}}{{ messages[0].content }}{{ messages[1].content }}"),
                                     kOneTurn, {"</s>"});
    EXPECT_NE(mixed.find("mixed with other messages"), std::string::npos) << mixed;
}

TEST(ChatTemplate, MessagesNameConstructLineAndWayOut) {
    const auto failed = ChatTemplate::parse("{{ bos_token }}\n{% include 'x' %}", {});
    EXPECT_EQ(
        failed.message(),
        "chat template, line 2: the tag {% include %} is not supported; another one can be given with --chat-template");
    EXPECT_EQ(failed.code(), QL_UNSUPPORTED);
    EXPECT_EQ(
        make("\n{{ messages | nonsense }}").render(kOneTurn, false).message(),
        "chat template, line 2: the filter 'nonsense' is not supported; another one can be given with --chat-template");
    EXPECT_FALSE(ChatTemplate::parse(std::string(300 * 1024, 'x'), {}).ok());
}

TEST(ChatTemplate, TextWithoutATagIsRefused) {  // for example a name or a path in an adapter's key
    for (const char * text : {"chatml", "/etc/hostname", "{ x }"}) {
        const auto made = ChatTemplate::parse(text, {});
        EXPECT_EQ(made.code(), QL_UNSUPPORTED);
        EXPECT_NE(made.message().find(std::string("'") + text + "' is no Jinja template"), std::string::npos);
    }
}

TEST(ChatTemplate, AbsentSpecialTokensAreUndefined) {
    EXPECT_EQ(*make("[{{ bos_token }}{{ eos_token is defined }}]", {}).render(kOneTurn, false), "[False]");
}

TEST(ChatTemplate, NameOrFile) {
    const TemporaryFolder folder;
    const std::string path = folder.write("t.jinja", "{{ 1 }}");
    EXPECT_EQ(*chat_template_source(path), "{{ 1 }}");
    EXPECT_EQ(chat_template_source(folder.path("")).code(), QL_IO);
    const auto missing = chat_template_source("nonsense");
    EXPECT_EQ(missing.code(), QL_NOT_FOUND);
    EXPECT_NE(missing.message().find("chatml, smollm2"), std::string::npos) << missing.message();
    EXPECT_EQ(chat_template_source("{{ messages[0].content }}").code(), QL_NOT_FOUND) << "an option is no template";
    EXPECT_EQ(chat_template_source(folder.write("long", std::string(300 * 1024, 'x'))).code(), QL_BAD_FILE);
}

}  // namespace
}  // namespace ql::test
