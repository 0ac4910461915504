// Chat templates: what the built-in ones and templates in the style of common models write, and which bytes are
// trained. The texts here were checked against Jinja itself; the markers are the models' public formats.
#include <gtest/gtest.h>

#include "models/text/chat_template.hpp"
#include "support/temporary_folder.hpp"

namespace ql {
namespace {

const std::vector<Message> kOneTurn = {{"user", "Hi"}, {"assistant", "Hello!"}};
const std::vector<Message> kTwoTurns = {{"system", "Be brief."},
                                        {"user", "Hi"},
                                        {"assistant", "Hello!"},
                                        {"user", "Hello!"},
                                        {"assistant", " Bye,\nyou ö "}};

ChatTemplate make(const std::string & source, TemplateTokens tokens = {"<s>", "</s>"}) {
    auto made = ChatTemplate::parse(source, std::move(tokens));
    EXPECT_TRUE(made.ok()) << made.message();
    return std::move(made).value();
}

ChatTemplate named(const std::string & name, TemplateTokens tokens = {"<s>", "</s>"}) {
    const auto source = chat_template_source(name);
    EXPECT_TRUE(source.ok()) << source.message();
    return make(*source, std::move(tokens));
}

/// The rendered text with the trained parts in «».
std::string marked(const ChatTemplate & chat, const std::vector<Message> & messages,
                   const std::vector<std::string> & ends, bool * open = nullptr) {
    const auto rendered = chat.render_for_training(messages, ends);
    if (!rendered.ok()) return "error: " + rendered.message();
    if (open) *open = rendered->open_end;
    std::string out;
    size_t at = 0;
    for (const Span span : rendered->trained) {
        out += rendered->text.substr(at, span.begin - at) + "«" +
               rendered->text.substr(span.begin, span.end - span.begin) + "»";
        at = span.end;
    }
    return out + rendered->text.substr(at);
}

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

// Templates in the style of the models' own files, with the branches for tools that training does not take.

const char * const kLlama31Style = R"({{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{#- The system message is taken out first. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\n\n"}}
{%- endif %}
{{- "Today Date: " + date_string + "\n\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {%- for arg_name, arg_val in tool_call.arguments | items %}
            {{- arg_name + '="' + arg_val + '"' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- endif %}
        {%- endfor %}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
{%- endif %}
)";

TEST(ChatTemplate, Llama31Style) {
    const std::string head = "<s><|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n";
    EXPECT_EQ(marked(make(kLlama31Style), kTwoTurns, {"<|eot_id|>"}),
              head +
                  "Be "
                  "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>"
                  "assistant<|end_header_id|>\n\n«Hello!<|eot_id|>»"
                  "<|start_header_id|>user<|end_header_id|>\n\nHello!<|eot_id|><|start_header_id|>assistant<|end_"
                  "header_id|>\n\n«Bye,\nyou ö<|eot_id|>»");
    const auto dated = ChatTemplate::parse(kLlama31Style, {"<s>", "</s>"}, "2031-02-03");
    EXPECT_NE(dated->render(kOneTurn, false)->find("Today Date: 03 Feb 2031"), std::string::npos);
    EXPECT_FALSE(ChatTemplate::parse(kLlama31Style, {"<s>", "</s>"}, "yesterday").ok());
}

const char * const kQwen25Style = R"({%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou help.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}
            {{- tool_call.arguments | tojson }}
        {%- endfor %}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)";

TEST(ChatTemplate, Qwen25Style) {
    EXPECT_EQ(marked(make(kQwen25Style), kTwoTurns, {"<|endoftext|>", "<|im_end|>"}), expectations()[2].two_turns);
    EXPECT_EQ(
        marked(make(kQwen25Style), {{"user", "2?"}, {"tool", "2"}, {"tool", "3"}, {"assistant", "3"}}, {"<|im_end|>"}),
        "<|im_start|>system\nYou "
        "help.<|im_end|>\n<|im_start|>user\n2?<|im_end|>\n<|im_start|>user\n<tool_response>\n2\n</"
        "tool_response>\n<tool_response>\n3\n"
        "</tool_response><|im_end|>\n<|im_start|>assistant\n«3<|im_end|>»\n");
}

const char * const kMistralStyle =
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate user/assistant') }}{% endif %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + "
    "message['content'] | trim + ' ' + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant') }}{% endif %}{% endfor %}";

TEST(ChatTemplate, MistralStyleTrainsTheSpaceThatTheModelWrites) {
    const ChatTemplate chat = make(kMistralStyle);
    EXPECT_EQ(marked(chat, {{"user", "Hi"}, {"assistant", " a "}, {"user", "b"}, {"assistant", "c"}}, {"</s>"}),
              "<s>[INST] Hi [/INST]« a </s>»[INST] b [/INST]« c </s>»");
    EXPECT_EQ(marked(chat, kTwoTurns, {"</s>"}),
              "error: chat template, line 1: the template refuses these messages: Roles must alternate user/assistant");
}

const char * const kGemmaStyle =
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif "
    "%}{% for message in messages %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% "
    "endif %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if "
    "add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";

TEST(ChatTemplate, GemmaStyleTrims) {
    EXPECT_EQ(marked(make(kGemmaStyle), {{"user", "Hi\n"}, {"assistant", "\n a \n"}}, {"<eos>", "<end_of_turn>"}),
              "<s><start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n«a<end_of_turn>»\n");
}

const char * const kPhi3Style =
    "{% for message in messages %}{% if message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% "
    "endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}";

TEST(ChatTemplate, Phi3StyleEndsTheTurnAtItsFirstEndToken) {
    EXPECT_EQ(marked(make(kPhi3Style, {"<s>", "<|endoftext|>"}), kOneTurn, {"<|endoftext|>", "<|end|>"}),
              "<|user|>\nHi<|end|>\n<|assistant|>\n«Hello!<|end|>»\n<|endoftext|>");
}

// Earlier answers lose their thoughts, the last one gets empty ones.
const char * const kThinkingStyle = R"({%- set ns = namespace(last=0) %}
{%- for m in messages %}{% if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
    {{- '<|im_start|>' + m.role + '\n' }}
    {%- if m.role == 'assistant' %}
        {%- set answer = m.content.split('</think>')[-1].lstrip('\n') %}
        {%- if loop.index0 > ns.last %}{{- '<think>\n\n</think>\n\n' + answer }}{%- else %}{{- answer }}{%- endif %}
    {%- else %}
        {{- m.content }}
    {%- endif %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %})";

TEST(ChatTemplate, TrainsAllThatTheModelWritesAtInference) {
    EXPECT_EQ(marked(make(kThinkingStyle),
                     {{"user", "a"}, {"assistant", "<think>x</think>\n\nb"}, {"user", "c"}, {"assistant", "d"}},
                     {"<|im_end|>"}),
              "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n«b<|im_end|>»\n<|im_start|>user\nc<|im_end|>\n<|"
              "im_start|>assistant\n«<think>\n\n</think>\n\nd<|im_end|>»\n");
}

TEST(ChatTemplate, UsesGenerationBlocksWhereTheTemplateHasThem) {
    const std::string source =
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% "
        "endgeneration %}{% else %}{{ m.content }}{% endif %}<end>{% endfor %}";
    EXPECT_EQ(marked(make(source), kOneTurn, {"<end>"}), "<user>Hi<end><assistant>«Hello!<end>»");
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

TEST(ChatTemplate, EmptyAnswerTrainsItsEnd) {
    EXPECT_EQ(marked(named("chatml"), {{"user", "x"}, {"assistant", ""}}, {"<|im_end|>"}),
              "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n«<|im_end|>»\n");
    EXPECT_EQ(marked(named("gemma"), {{"user", "x"}, {"assistant", "  "}, {"user", "y"}, {"assistant", "z"}},
                     {"<end_of_turn>"}),
              "<s><start_of_turn>user\nx<end_of_turn>\n<start_of_turn>model\n«<end_of_turn>»\n<start_of_turn>user\ny<"
              "end_of_turn>\n<start_of_turn>model\n«z<end_of_turn>»\n");
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

TEST(ChatTemplate, AbsentSpecialTokensAreUndefined) {
    EXPECT_EQ(*make("[{{ bos_token }}{{ eos_token is defined }}]", {}).render(kOneTurn, false), "[False]");
}

TEST(ChatTemplate, NameOrFile) {
    const test::TemporaryFolder folder;
    const std::string path = folder.write("t.jinja", "{{ 1 }}");
    EXPECT_EQ(*chat_template_source(path), "{{ 1 }}");
    EXPECT_EQ(chat_template_source(folder.path("")).code(), QL_IO);
    const auto missing = chat_template_source("nonsense");
    EXPECT_EQ(missing.code(), QL_NOT_FOUND);
    EXPECT_NE(missing.message().find("chatml, smollm2"), std::string::npos) << missing.message();
    EXPECT_EQ(chat_template_source(folder.write("long", std::string(300 * 1024, 'x'))).code(), QL_BAD_FILE);
}

}  // namespace
}  // namespace ql
