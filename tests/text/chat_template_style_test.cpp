// Templates in the style of the models' own files, with the branches for tools that training does not take. The texts
// were checked against Jinja itself; the markers are the models' public formats.
#include <gtest/gtest.h>

#include "text/chat_templates.hpp"

namespace ql::test {
namespace {

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
    EXPECT_EQ(marked(make(kQwen25Style), kTwoTurns, {"<|endoftext|>", "<|im_end|>"}),
              marked(named("qwen2.5"), kTwoTurns, {"<|im_end|>"}));
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

}  // namespace
}  // namespace ql::test
