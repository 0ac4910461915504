// Notes on templates that llama.cpp renders differently. Each row was rendered by Jinja2 3.1.6 and by llama.cpp
// (xllamacpp 2026.10.11549): there is a note where they differ, and none where they agree.
#include <algorithm>

#include "text/chat_templates.hpp"

namespace ql {
namespace {

using test::make;

constexpr const char * kEach = "{% for message in messages %}";

std::string all_notes(const std::string & source) {
    std::string text;
    for (const std::string & note : make(source).notes()) text += note + "\n";
    return text;
}

std::string each(const std::string & body) {
    return kEach + body + "{% endfor %}";
}

TEST(TemplateNotes, NameWhatIsRenderedOtherwise) {
    struct Row {
        std::string source;
        const char * note;
    };
    const Row table[] = {
        {each("\n{% if loop.first %}{% set p = 'P' %}{% endif %}\n{{ p }}{{ message.content }}"),
         "line 3: `p`: llama.cpp keeps"},
        {"{% set x = 1 %}" + each("{{ x }}{{ message.content }}{% set x = x + 1 %}"), "line 1: `x`: llama.cpp keeps"},
        {each("{% if message.role == 'user' %}{% set u = message.content %}{% endif %}"
              "{% if message.role == 'assistant' %}{{ u }}{% endif %}{{ message.content }}"),
         "`u`: llama.cpp keeps"},
        {"{% macro m() %}<{{ role }}>{% endmacro %}" +
             each("{% set role = message.role %}{{ m() }}{{ message.content }}"),
         "`role`: in llama.cpp a macro sees"},
        {"{% macro a() %}{{ v }}{% endmacro %}{% macro b(v) %}{{ a() }}{% endmacro %}" +
             each("{{ b(message.content) }}{{ message.content }}"),
         "`v`: in llama.cpp a macro sees"},
        {each("{% for c in message.content %}<{{ c }}>{% endfor %}"),
         "`message.content`: llama.cpp passes this template"},
        {each("{% for c in message.content %}<{{ c }}>{% endfor %}{{ message.content }}"), "as a list of parts"},
        {each("{{ message.content[0] }}"), "`message.content[0]`: llama.cpp passes this template"},
        {each("{{ message['content'][0] }}{{ message['content'] | length }}"),
         "`message['content'][0]`: llama.cpp passes"},
        {each("{{ message.content[1:] }}"), "`message.content[1:]`: llama.cpp counts bytes"},
        {each("{{ message.content }}{{ message.role[-1] }}"),
         "`message.role[-1]`: a string has no characters from its end"},
        {each("{{ message.content }}{{ message.get('x') }}"), "writes nothing for none"},
        {each("{{ message.content }}{{ 'a' ~ none }}"), "`'a' ~ none`: llama.cpp writes nothing for none"},
        {each("{{ message.content }}{{ [message.role] }}"), "writes a list's items in a row"},
        {each("{{ message.content }}{% if (none | default('d')) == 'd' %}d{% endif %}"),
         "`none | default('d')`: llama.cpp takes the default"},
        {each("{{ message.content }}{{ [1, 2] | select('odd') | join }}"),
         "`... | select('odd')`: llama.cpp takes no item"},
        {each("{{ message.content }}{{ message.content.split() | join('-') }}"),
         "`message.content.split()`: llama.cpp cuts at each"},
        {each("{{ message.content }}{{ true is number }}"), "true and false are no numbers"},
        {each("{{ message.content }}{{ loop.depth }}"), "`loop.depth`: llama.cpp has no loop.depth"},
        {each("{{ message.content }}{{ '<' | safe + '>' }}"), "Jinja escapes for HTML what is added"},
        {each("{{ message.content }}{{ -7 % 3 }}"), "`-7 % 3`: llama.cpp gives a negative remainder"},
        {"{% if tools is not none %}T{% endif %}" + each("{{ message.content }}"),
         "line 1: `tools`: llama.cpp leaves it undefined"},
        {"{% if documents is defined %}D{% endif %}" + each("{{ message.content }}"),
         "`documents`: llama.cpp leaves it undefined"},
        {"{% if not date_string is defined %}{% set date_string = '26 Jul 2024' %}{% endif %}{{ date_string }}" +
             each("{{ message.content }}"),
         "`date_string`: llama.cpp sets it to the day"},
        {"{{ datetime }}" + each("{{ message.content }}"), "`datetime`: llama.cpp sets it to the day"},
        {"{% if enable_thinking is not defined or enable_thinking %}/think{% else %}/no{% endif %}" +
             each("{{ message.content }}"),
         "`enable_thinking`: llama.cpp sets it to false"},
        {each("{% if message.reasoning_content %}<think>{{ message.reasoning_content }}</think>{% endif %}{{ "
              "message.content }}") +
             "{% if add_generation_prompt and not enable_thinking %}<think></think>{% endif %}",
         "`enable_thinking`: llama.cpp sets it to true"},
        {each("{% if message.role != 'system' %}{{ message.content }}{% endif %}"), "leaves system messages out"},
    };
    for (const Row & row : table) {
        const std::string notes = all_notes(row.source);
        EXPECT_NE(notes.find(row.note), std::string::npos) << row.source << "\n" << notes;
        EXPECT_EQ(std::count(notes.begin(), notes.end(), '\n'), 1) << row.source << "\n" << notes;
    }
}

TEST(TemplateNotes, AreNoneWhereBothRenderTheSame) {
    for (const std::string & source : {
             each("{% set c = message.content %}{{ c }}"),
             "{% set c = 'o' %}" + each("{% set c = message.content %}{{ c }}") + "{{ c }}",
             each("{% if loop.first %}{% set c = 'B' + message.content %}{% else %}{% set c = message.content %}{% "
                  "endif %}{{ c }}"),
             "{% set ns = namespace(a=0) %}" + each("{% set ns.a = ns.a + 1 %}{{ ns.a }}{{ message.content }}"),
             "{% set y = 3 %}{% macro m() %}{{ y }}{% endmacro %}" + each("{{ m() }}{{ message.content }}"),
             each("{% for i in [1, 2] %}{{ i }}{% endfor %}{{ message.content }}"),
             each("{% if message.content is string %}{{ message.content | trim }}{% else %}{% for c in message.content "
                  "%}"
                  "{{ c.text }}{% endfor %}{% endif %}"),
             each("{% if message.content[0] == 'S' %}s{% endif %}{{ message.content | trim }}"),
             each("{% if message.content[0]['type'] == 'text' %}x{% else %}{{ message.content }}{% endif %}"),
             each("{{ message.content.split('</think>')[-1].lstrip('\\n') }}"),
             each("{{ message.content }}{{ message.get('x', '') }}{{ message.tool_calls }}"),
             each("{{ message.content }}{{ none | default('d', true) }}{{ none | string }}{{ '' ~ [1] }}"),
             each("{{ message.content }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}"),
             each("{{ message.content }}{{ [1, 2] | select('gt', 1) | join }}"),
             "{% if tools %}T{% endif %}{% if tools is not none and tools %}T{% endif %}" +
                 each("{{ message.content }}"),
             "{% if tools is defined and tools is not none %}T{% endif %}" + each("{{ message.content }}"),
             "{% if not tools is defined %}{% set tools = none %}{% endif %}{% if tools is not none %}T{% endif %}" +
                 each("{{ message.content }}"),
             "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}{{ "
             "date_string }}" +
                 each("{{ message.content }}"),
             each("{% if '</think>' in message.content %}{{ message.content.split('</think>')[-1] }}{% else %}{{ "
                  "message.content "
                  "}}{% endif %}") +
                 "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>{% endif %}",
             "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" +
                 each("{{ message.content }}"),
         })
        EXPECT_EQ(all_notes(source), "") << source;
}

TEST(TemplateNotes, AreNoneForTheTemplatesThatComeWithTheProgram) {
    for (const NamedTemplate & t : named_templates()) EXPECT_EQ(all_notes(t.source), "") << t.name;
}

TEST(TemplateNotes, OfATemplateThatNeverEndsTakeNoTime) {
    const std::string forever =
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}{{ messages[0].content }}";
    EXPECT_EQ(all_notes(forever), "");
}

}  // namespace
}  // namespace ql
