// What an untrusted template may cost: stack, time and memory are counted before they are used, and a call with wrong
// arguments is an error that names the function.
#include <gtest/gtest.h>
#include <pthread.h>

#include <functional>

#include "models/text/jinja/eval.hpp"
#include "models/text/jinja/ops.hpp"
#include "models/text/jinja/parser.hpp"
#include "support/growth.hpp"

namespace ql::jinja {
namespace {

/// The rendered text, or the error's message.
std::string outcome(const std::string & source, Dict variables = {}, Meter meter = Meter()) {
    const auto block = parse(source);
    if (!block.ok()) return block.message();
    const auto text = render(*block, std::move(variables), "", meter);
    return text.ok() ? text->bytes() : text.message();
}

/// outcome() on a thread whose stack has `bytes` bytes.
std::string outcome_on_stack(size_t bytes, const std::string & source) {
    std::string result;
    std::function<void()> work = [&] { result = outcome(source); };
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, bytes);
    pthread_t thread;
    const auto entry = [](void * f) -> void * { return (*static_cast<std::function<void()> *>(f))(), nullptr; };
    if (pthread_create(&thread, &attributes, entry, &work) != 0) return "no thread";
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    return result;
}

std::string repeat(const std::string & part, int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += part;
    return text;
}

/// A tag nested in itself, as deep as the parser allows.
std::string nested(const std::string & open, const std::string & close) {
    return repeat(open, 20) + "{{ f() }}" + repeat(close, 20);
}

TEST(JinjaLimits, RecursionEndsBeforeTheStackOfTheThreadDoes) {
    const std::string call = "{{ f() }}", end = "{% endmacro %}" + call, macro = "{% macro f() %}";
    for (const std::string & source : {macro + call + end, macro + nested("{% if true %}", "{% endif %}") + end,
                                       macro + nested("{% for x in [1] %}", "{% endfor %}") + end,
                                       macro + nested("{% set s %}", "{% endset %}") + end,
                                       macro + nested("{% generation %}", "{% endgeneration %}") + end,
                                       macro + "{{ [f(), {'a': (f() | trim) ~ 1}] | list }}" + end,
                                       "{% macro g() %}{{ f() }}{% endmacro %}" + macro + "{{ g() }}" + end})
        for (const size_t stack : {size_t{192} << 10, size_t{1} << 20, size_t{8} << 20})
            EXPECT_NE(outcome_on_stack(stack, source).find("nested too deeply"), std::string::npos)
                << source.substr(0, 60) << " on " << stack;
}

TEST(JinjaLimits, NestedTextIsAnErrorOfTheParser) {
    for (const std::string & source :
         {"{{ " + std::string(100000, '('), "{{ " + std::string(100000, '[') + "1", repeat("{% if x %}", 50000),
          repeat("{% for x in y %}", 50000), repeat("{% set x %}", 50000), "{{ " + repeat("not ", 50000) + "x }}",
          "{{ x" + repeat("[x", 50000) + " }}", "{{ x" + repeat(".a", 100000) + " }}",
          "{{ x" + repeat("|trim", 50000) + " }}", "{{ " + repeat("1 if x else ", 50000) + "2 }}",
          "{{ " + repeat("{1:", 50000) + " }}"})
        EXPECT_NE(outcome_on_stack(size_t{256} << 10, source).find("line 1: "), std::string::npos)
            << source.substr(0, 40);
}

TEST(JinjaLimits, OrdinaryTemplatesNeedLittleStack) {
    EXPECT_EQ(outcome_on_stack(size_t{256} << 10,
                               "{% macro m(a) %}{% if a %}{% for x in a %}{{ '<' + (x | trim) + '>' }}{% endfor %}"
                               "{% endif %}{% endmacro %}{{ m([' a', 'b ']) }}"),
              "<a><b>");
}

Dict with_text(std::string text, const std::string & part = "") {
    Dict variables;
    variables.set("s", Value(std::move(text)));
    variables.set("part", Value(part));
    return variables;
}

TEST(JinjaLimits, SearchingTakesTimeByTheSumOfBothLengths) {
    for (const char * operation : {"part in s", "s.find(part)", "s.rfind(part)", "s.count(part)", "s.replace(part, '')",
                                   "s | replace(part, '')", "s.split(part) | length", "s.rsplit(part) | length"})
        EXPECT_EQ(test::grows_too_fast([](int n) { return std::string(static_cast<size_t>(n), 'a'); }, 1 << 20,
                                       [&](const std::string & text) {
                                           const std::string part = text.substr(0, text.size() / 2) + "b";
                                           (void)outcome("{{ " + std::string(operation) + " }}", with_text(text, part));
                                       }),
                  "")
            << operation;
}

TEST(JinjaLimits, TimeIsChargedForWhatIsRead) {
    for (const char * operation :
         {"part in s", "s.find(part)", "s.count(part)", "s.split(part)", "s.splitlines()", "s | length", "s | upper",
          "s == part ~ s", "s | tojson", "s.strip()", "s | replace(part, 'x')", "s.startswith(s)"}) {
        const std::string loop = "{% for i in range(99999) %}{% set x = " + std::string(operation) + " %}{% endfor %}";
        const std::string message = outcome(loop, with_text(std::string(100000, ' '), "ab"));
        EXPECT_TRUE(message.find("runs too long") != std::string::npos ||
                    message.find("makes too much text") != std::string::npos)
            << operation << ": " << message.substr(0, 100);
    }
}

TEST(JinjaLimits, MemoryIsChargedBeforeItIsTaken) {
    const Meter small(4'000'000, 1 << 20);
    const std::string lines(200000, '\n');
    for (const char * operation :
         {"s.splitlines()", "s.split('\\n')", "s.rsplit('\\n')", "s | list", "s * 1000", "[1] * 900000", "range(99999)",
          "s | replace('\\n', s)", "s.replace('\\n', s)", "[s, s] | tojson(separators=[s, s])",
          "[[1], [1]] | tojson(indent=900000)", "s.join([s, s, s, s, s, s])", "s | batch(1) | list"}) {
        const std::string message = outcome("{{ (" + std::string(operation) + ") | length }}", with_text(lines), small);
        EXPECT_EQ(message.find("line 1: "), 0u) << operation << ": " << message.substr(0, 100);
    }
}

std::vector<Value> samples() {
    Dict dict;
    dict.set("k", Value(int64_t{1}));
    return {Value(),
            Value(None{}),
            Value(true),
            Value(int64_t{-3}),
            Value(2.5),
            Value("text"),
            Value::list({Value("a"), Value(None{})}),
            Value::list({Value("a")}, true),
            Value::dict(dict)};
}

/// Calls a row with every sample in every place; reports what a refusal's message lacks.
void try_arguments(const Builtin & row, const Value & self, const std::function<Status(Call)> & run) {
    const size_t places = row.variadic ? 2 : row.parameters.size();
    for (size_t place = 0; place <= places; ++place)  // and one place more than there are
        for (const Value & sample : samples()) {
            Meter meter;
            std::vector<Value> args(place, Value("x"));
            args.push_back(sample);
            const Status status = run({row.name, self, args, {}, meter, {}});
            if (row.variadic || status.ok()) continue;
            const bool wrong_type = place < places && (sample.type_bit() & row.parameters[place].types) == 0;
            if (wrong_type || place == places) {
                EXPECT_NE(status.message().find(row.name), std::string::npos) << row.name << ": " << status.message();
            }
        }
}

Status status_of(const Result<Value> & result) {
    return result.ok() ? Status() : result.status();
}

TEST(JinjaLimits, WrongArgumentsAreErrorsThatNameTheCall) {
    for (const Value & self : samples()) {
        for (const auto * table : {&filters(), &filters_of_lists()})
            for (const Builtin & row : *table)
                try_arguments(row, self, [](Call call) { return status_of(apply_filter(std::move(call))); });
        for (const Builtin & row : tests())
            try_arguments(row, self, [](Call call) {
                const auto result = apply_test(std::move(call));
                return result.ok() ? Status() : result.status();
            });
        for (const Builtin & row : functions())
            if (std::string_view(row.name) != "strftime_now")
                try_arguments(row, self, [](Call call) { return status_of(call_function(std::move(call))); });
        for (const Builtin & row : methods_of(self))
            try_arguments(row, self, [](Call call) { return status_of(call_method(std::move(call))); });
    }
    EXPECT_EQ(outcome("{{ 'abc'.removeprefix(['a']) }}"),
              "line 1: removeprefix: 'prefix' must be a string, got a list");
    EXPECT_EQ(outcome("{{ 'abc'.startswith(1) }}"),
              "line 1: startswith: 'prefix' must be a string or a list, got an integer");
    EXPECT_EQ(outcome("{{ 'abc'.split('b', 1, 2) }}"), "line 1: split takes at most 2 arguments, got 3");
}

}  // namespace
}  // namespace ql::jinja
