// JSON lines or an array: where a record ends, and on which line it begins; what counts as a blank.
#include "models/json/records.hpp"

#include <gtest/gtest.h>

#include "models/json/blanks.hpp"
#include "support/growth.hpp"

namespace ql {
namespace {

std::string lines_of(const std::string & text) {
    const auto records = split_records(text);
    if (!records.ok()) return records.message();
    std::string out;
    for (const Record & r : *records) out += std::to_string(r.line) + "<" + std::string(r.json) + ">";
    return out;
}

TEST(DataRecords, JsonLines) {
    EXPECT_EQ(lines_of("{\"a\":1}\n\n  {bad\r\n{\"b\":\"\\n\"}"), "1<{\"a\":1}>3<{bad>4<{\"b\":\"\\n\"}>");
    EXPECT_EQ(lines_of("\n\n{}\n"), "3<{}>");
}

TEST(DataRecords, JsonArray) {
    EXPECT_EQ(lines_of("[\n {\"a\": [1, 2],\n  \"b\": \"]}\\\",\"},\n\n {\"c\": 1}\n]\n"),
              "2<{\"a\": [1, 2],\n  \"b\": \"]}\\\",\"}>5<{\"c\": 1}>");
    EXPECT_EQ(lines_of("[]"), "");
    EXPECT_EQ(lines_of("[1,x y,\"s\"]"), "1<1>1<x y>1<\"s\">");
    EXPECT_EQ(lines_of("[1,]"), "1<1>");
}

TEST(DataRecords, ObjectsOverSeveralLines) {
    EXPECT_EQ(lines_of("{\n  \"a\": [\n{\"b\": 1},\n{}\n]\n}\n"), "1<{\n  \"a\": [\n{\"b\": 1},\n{}\n]\n}>");
    EXPECT_EQ(lines_of("{\n\"a\":\n{}}\n{\n\"b\": \"}\\\"{\"\n}\n\n{}{} {}"),
              "1<{\n\"a\":\n{}}>4<{\n\"b\": \"}\\\"{\"\n}>8<{}>8<{}>8<{}>");
}

TEST(DataRecords, BrokenRecordEndsBeforeTheNext) {
    EXPECT_EQ(lines_of("{\"a\": \"x\n{\"b\": 1}"), "1<{\"a\": \"x>2<{\"b\": 1}>");
    EXPECT_EQ(lines_of("{\"a\": \"\\\n{\"b\": 1}"), "1<{\"a\": \"\\>2<{\"b\": 1}>");
    EXPECT_EQ(lines_of("{\n\"a\": 1\n{\n\"b\": 1}"), "1<{\n\"a\": 1>3<{\n\"b\": 1}>");
    EXPECT_EQ(lines_of("{}, {}\nx {}\n{} # y\n{\"a\": 1"), "1<{}, {}>2<x {}>3<{} # y>4<{\"a\": 1>");
}

TEST(DataRecords, WhatIsNoJsonSaysWhatItIs) {
    EXPECT_EQ(lines_of("\n// samples\n{}"), "2: JSON has no comments; remove this one");
    EXPECT_EQ(lines_of("/* samples */ {}"), "1: JSON has no comments; remove this one");
    EXPECT_EQ(lines_of("# Heading"), "1: neither JSON lines nor a JSON array; plain text needs a name ending in .txt");
    EXPECT_EQ(lines_of(std::string("a\0b", 3)),
              "1: no text, and no kind of file that is read: save the samples as CSV or JSONL");
}

TEST(DataRecords, TheirNumberHasALimit) {  // each takes memory of its own, however short it is
    for (const char * text : {"{}\n{}{}", "[1,2,\n3]"}) {
        EXPECT_EQ(split_records(text, 3)->size(), 3u);
        EXPECT_EQ(split_records(text, 2).message(), "2: more than 2 samples; split the file");
        EXPECT_EQ(split_records(text, 2).code(), QL_UNSUPPORTED);
    }
}

TEST(DataRecords, TimeGrowsWithTheSize) {
    for (const std::string begin : {"", "["})
        for (const std::string unit : {"{}\n", "{", "{\n", "[", "\"", "{\"", "x\n", " ", "\n", "{}   ", "{},", "\\"}) {
            const auto text = [&](int n) {
                std::string all = begin.empty() ? "{}\n" : begin;
                while (all.size() < static_cast<size_t>(n)) all += unit;
                return all;
            };
            EXPECT_EQ(test::grows_too_fast(text, 400000, [](const std::string & t) { (void)split_records(t); }), "")
                << begin << unit;
        }
}

TEST(DataRecords, SaysWhatIsWrong) {
    EXPECT_EQ(lines_of(""), "1: the file is empty");
    EXPECT_EQ(lines_of(" \n "), "1: the file is empty");
    EXPECT_EQ(lines_of("\nhello"), "2: neither JSON lines nor a JSON array; plain text needs a name ending in .txt");
    EXPECT_EQ(lines_of("[{},\n{\"a\": 1"),
              "2: the JSON array does not end: the element that begins here is not closed");
    EXPECT_EQ(lines_of("[{}]\nx"), "2: text after the end of the JSON array");
}

TEST(Blanks, AreSpacesTabsAndLineEnds) {
    EXPECT_EQ(trimmed(" \t a b\r\n"), "a b");
    EXPECT_EQ(trimmed("ab"), "ab");
    for (const char * text : {"", " ", "\t\r\n "}) {
        EXPECT_TRUE(is_blank(text));
        EXPECT_EQ(trimmed(text), "");
    }
    for (const char * text : {"a", " a", "\v", "\xC2\xA0"}) EXPECT_FALSE(is_blank(text)) << text;
    EXPECT_EQ(without_mark("\xEF\xBB\xBF x"), " x");
    EXPECT_EQ(without_mark("\xEF\xBB"), "\xEF\xBB");
}

}  // namespace
}  // namespace ql
