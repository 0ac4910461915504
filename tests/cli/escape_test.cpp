// What may reach a terminal, and how the rest is shown.
#include "tools/cli/escape.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace ql::cli {
namespace {

TEST(Escape, ShowsWhatATerminalWouldObey) {
    EXPECT_EQ(escape_line("a\x1b[31mred\x1b[0m"), "a\\x1b[31mred\\x1b[0m");
    EXPECT_EQ(escape_line("one\ntwo\tthree\rfour"), "one\\ntwo\\tthree\\x0dfour");
    EXPECT_EQ(escape_line(std::string_view("nul\0, bell\a, delete\x7f", 20)), "nul\\x00, bell\\x07, delete\\x7f");
    EXPECT_EQ(escape_line("\u009b31m"), "\\u009b31m") << "C1: a control sequence in one character";
    EXPECT_EQ(escape_line("\u0080\u009f"), "\\u0080\\u009f");
    EXPECT_EQ(escape_line("a\u202etxt.exe\u2066b\u2069"), "a\\u202etxt.exe\\u2066b\\u2069");
}

TEST(Escape, LeavesTextInEveryLanguage) {
    for (const char * text : {"", "plain", "Größe: 3 µm", "日本語", "שלום", "مرحبا", "\u00a0\u200d\u2060",
                              "👩‍👩‍👧 \U0010FFFD"}) {
        EXPECT_EQ(escape_line(text), text);
        EXPECT_EQ(escape_text(text), text);
        EXPECT_EQ(escape_json(text), text);
    }
}

TEST(Escape, ShowsBytesThatAreNoUtf8) {
    EXPECT_EQ(escape_line("\x9b"
                          "31m"),
              "\\x9b31m")
        << "the same sequence for a terminal that reads Latin-1";
    EXPECT_EQ(escape_line("\xc0\x9b"), "\\xc0\\x9b") << "too long a form";
    EXPECT_EQ(escape_line("\xe0\x82\x9b"), "\\xe0\\x82\\x9b");
    EXPECT_EQ(escape_line("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "half a surrogate pair";
    EXPECT_EQ(escape_line("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "past the last character";
    EXPECT_EQ(escape_line("caf\xc3"), "caf\\xc3") << "cut";
    EXPECT_EQ(escape_line("\xe2\x82x"), "\\xe2\\x82x");
}

TEST(Escape, TextKeepsItsLines) {
    EXPECT_EQ(escape_text("one\n\ttwo\r\n\x1b"), "one\n\ttwo\\x0d\n\\x1b");
}

TEST(Escape, JsonKeepsItsMeaning) {
    const nlohmann::json value = {{"name", "a\x1b[2J\u009b\u202e\x7f\n"}};
    const std::string text = escape_json(value.dump());
    EXPECT_EQ(text, "{\"name\":\"a\\u001b[2J\\u009b\\u202e\\u007f\\n\"}");
    EXPECT_EQ(nlohmann::json::parse(text), value);
}

}  // namespace
}  // namespace ql::cli
