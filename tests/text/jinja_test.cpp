// The Jinja subset against Jinja itself (jinja_cases.json, written by make_jinja_cases.py), its messages, its limits,
// and the origin of every byte it writes.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "models/text/jinja/eval.hpp"
#include "models/text/jinja/parser.hpp"
#include "support/growth.hpp"

namespace ql::jinja {
namespace {

using Json = nlohmann::ordered_json;

Value from_json(const Json & json) {
    if (json.is_null()) return Value(None{});
    if (json.is_boolean()) return Value(json.get<bool>());
    if (json.is_number_integer()) return Value(json.get<int64_t>());
    if (json.is_number()) return Value(json.get<double>());
    if (json.is_string()) return Value(json.get<std::string>());
    if (json.is_array()) {
        std::vector<Value> items;
        for (const Json & item : json) items.push_back(from_json(item));
        return Value::list(std::move(items));
    }
    Dict dict;
    for (const auto & [key, value] : json.items()) dict.set(key, from_json(value));
    return Value::dict(std::move(dict));
}

Result<Text> render_source(const std::string & source, Dict variables = {}, const std::string & date = "") {
    QL_ASSIGN(const Block block, parse(source));
    return render(block, std::move(variables), date);
}

std::string failure(const std::string & source) {
    const auto text = render_source(source);
    return text.ok() ? "rendered: " + text->bytes().substr(0, 100) : text.message();
}

TEST(Jinja, RendersWhatJinjaRenders) {
    std::ifstream file(std::string(QL_SOURCE_DIR) + "/tests/text/jinja_cases.json");
    const Json data = Json::parse(file);
    ASSERT_GT(data["cases"].size(), 250u);
    const Value variables = from_json(data["variables"]);
    for (const Json & test : data["cases"]) {
        const auto source = test["template"].get<std::string>();
        const auto text = render_source(source, variables.dict());
        if (!test.contains("text")) {
            EXPECT_FALSE(text.ok()) << source << "\nrendered: " << text->bytes();
            continue;
        }
        ASSERT_TRUE(text.ok()) << source << "\n" << text.message();
        EXPECT_EQ(text->bytes(), test["text"].get<std::string>()) << source;
    }
}

TEST(Jinja, NamesWhatItDoesNotKnowAndItsLine) {
    EXPECT_EQ(failure("a\n{% if x %}\n{% include 'f' %}{% endif %}"), "line 3: the tag {% include %} is not supported");
    EXPECT_EQ(failure("\n{{ 'x' | wordwrap(3) }}"), "line 2: the filter 'wordwrap' is not supported");
    EXPECT_EQ(failure("{% macro m(a) %}\n{{ a }}{{ varargs[0] }}{% endmacro %}"),
              "line 2: 'varargs' in a macro is not supported");
    EXPECT_EQ(failure("{% macro m() %}{% for k in kwargs %}{% endfor %}{% endmacro %}"),
              "line 1: 'kwargs' in a macro is not supported");
    EXPECT_EQ(failure("{{ 'x' is escaped }}"), "line 1: the test 'escaped' is not supported");
    EXPECT_EQ(failure("\n\n{{ 'x'.zfill(3) }}"), "line 3: the function or method 'zfill' is not defined");
    EXPECT_EQ(failure("{{ joiner(',') }}"), "line 1: the function or method 'joiner' is not defined");
    EXPECT_EQ(failure("{{ 'x' | trim(left=true) }}"), "line 1: trim has no argument 'left'");
    EXPECT_EQ(failure("\n{{ messages[0].content }}"), "line 2: 'messages' is undefined");
    EXPECT_EQ(failure("{%- for x in y %}"), "line 1: {% for %} is not closed");
    EXPECT_EQ(failure("{{ raise_exception('no system') }}"), "line 1: the template refuses these messages: no system");
    EXPECT_EQ(failure("{{ 1e22 | int }}"), "line 1: int: 1e+22 is too large for an integer");
    EXPECT_EQ(failure("{{ '1e22' | int }}"), "line 1: int: 1e+22 is too large for an integer");
    EXPECT_EQ(failure("{{ 'ä' | upper }}"), "line 1: changing the case of letters beyond ASCII is not supported");
}

TEST(Jinja, BranchNotTakenMayUseUnknownFiltersButNotUnknownTags) {
    EXPECT_EQ(render_source("{% if false %}{{ x | wordwrap }}{% endif %}a")->bytes(), "a");
    EXPECT_FALSE(render_source("{% if false %}{% import 'x' as y %}{% endif %}a").ok());
}

TEST(Jinja, DateIsTheOneGiven) {
    EXPECT_EQ(render_source("{{ strftime_now('%d %b %Y|%A %B %-d|%F|%y %m %a') }}", {}, "2024-07-05")->bytes(),
              "05 Jul 2024|Friday July 5|2024-07-05|24 07 Fri");
    EXPECT_EQ(render_source("{{ strftime_now is defined }}")->bytes(), "False");
    EXPECT_EQ(failure("{{ strftime_now('%d') }}"), "line 1: the template asks for today's date, and none was given");
}

TEST(Jinja, HostileTemplatesEndInErrors) {
    const double started = test::thread_seconds();
    const std::string deep(100000, '(');
    const std::string forever =
        "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% "
        "endfor %}";
    const std::string doubling =
        "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}";
    const std::string laughs =
        "{% set ns = namespace(l=['ha']) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}";
    const std::string nest =
        "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}";
    std::string chain = "{{ 1", tags;
    for (int i = 0; i < 50000; ++i) chain += "+1";
    for (int i = 0; i < 50000; ++i) tags += "{% if x %}";
    for (const std::string & source :
         {"{{ " + deep,
          "{{ " + std::string(100000, '[') + " }}",
          "{{ " + std::string(100000, '-') + "1 }}",
          chain + " }}",
          tags,
          forever,
          doubling,
          nest,
          laughs + "{{ ns.l }}",
          laughs + "{{ ns.l | tojson }}",
          laughs + "{% set a = ns.l %}{% set ns.l = ['ha'] %}" + laughs + "{{ a == ns.l }}",
          std::string("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
          std::string("{{ 'x' * 99999999999 }}"),
          std::string("{{ [1] * 99999999999 }}"),
          std::string("{{ ('x' * 100000) | replace('x', 'y' * 100000) }}"),
          std::string("{{ range(9999999) }}"),
          std::string("{{ 9 ** 999 }}"),
          std::string("{{ 9223372036854775807 + 1 }}"),
          std::string("{{ (-9223372036854775807 - 1) // -1 }}"),
          std::string("{{ 99999999999999999999 }}"),
          std::string("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me }}"),
          std::string("{{ [1] | tojson(indent=99999999) }}")}) {
        EXPECT_FALSE(render_source(source).ok()) << source.substr(0, 80);
    }
    EXPECT_LT(test::thread_seconds() - started, 120);
}

TEST(Jinja, ValuesThatHoldThemselvesAreFreed) {  // checked by the leak sanitizer
    EXPECT_TRUE(
        render_source(
            "{% set ns = namespace() %}{% set ns.me = [ns] %}{% for x in [1] %}{{ loop.changed(loop) }}{% endfor %}")
            .ok());
}

Dict tagged(std::string content) {
    Dict variables;
    variables.set("c", Value(Text::from_message(std::move(content), 7)));
    return variables;
}

/// The rendered text with the bytes of message 7 in brackets.
std::string origins(const std::string & source, const std::string & content) {
    const auto text = render_source(source, tagged(content));
    if (!text.ok()) return text.message();
    std::string out;
    size_t at = 0;
    for (const Run & run : text->runs()) {
        out += text->bytes().substr(at, run.begin - at) + (run.generated ? "{" : "[") +
               text->bytes().substr(run.begin, run.end - run.begin) + (run.generated ? "}" : "]");
        at = run.end;
    }
    return out + text->bytes().substr(at);
}

TEST(Jinja, RemembersWhichBytesAreTheMessages) {
    EXPECT_EQ(origins("a {{ c }} b", "x y"), "a [x y] b");
    EXPECT_EQ(origins("<{{ c | trim }}>", "  x \n"), "<[x]>");
    EXPECT_EQ(origins("{{ '<' + c.strip() + '>' ~ c[1:3] }}", " äb"), "<[äb]>[äb]");
    EXPECT_EQ(origins("{{ c.split('</t>')[-1].lstrip('\\n') }}!", "hm</t>\n\nyes"), "[yes]!");
    EXPECT_EQ(origins("{{ c | replace('b', '--') }}", "abc"), "[a]--[c]");
    EXPECT_EQ(origins("{{ c | tojson }}", "a\n\"b"), "\"[a\\n\\\"b]\"");
    EXPECT_EQ(origins("{{ c | upper }}{% set x %}({{ c }}){% endset %}{{ x }}", "ab"), "[AB]([ab])");
    EXPECT_EQ(origins("{% macro m(t) %}<{{ t }}>{% endmacro %}{{ m(c) | trim }}", "ab"), "<[ab]>");
    EXPECT_EQ(origins("{{ [c, 'z', c] | join('-') }}{{ c * 2 }}", "ab"),
              "[ab]-z-[abab"
              "ab]");
    EXPECT_EQ(origins("{{ c | indent(2) }}", "a\nb"), "[a\n]  [b]");
    EXPECT_EQ(origins("{% for x in c %}{{ x }}.{% endfor %}", "äb"), "[ä].[b].");
    EXPECT_EQ(origins("{{ c == 'ab' }}{{ c | length }}", "ab"), "True2");
    EXPECT_EQ(origins("a{% generation %}b{{ c }}d{% endgeneration %}e", "X"), "a{b}{X}{d}e");
}

}  // namespace
}  // namespace ql::jinja
