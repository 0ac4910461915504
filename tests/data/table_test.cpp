// Tables: what a row is, and what it becomes.
#include "models/data/table.hpp"

#include <gtest/gtest.h>

#include "models/data/forms.hpp"

namespace ql {
namespace {

std::string rows(std::string_view text, const std::string & path = "a.csv") {
    const auto read = read_table(text, path, 3);
    if (!read.ok()) return "error " + read.message();
    std::string all;
    for (const TableRow & row : *read)
        all += std::to_string(row.line) + ":" + (row.fault.empty() ? row.json : "fault " + row.fault) + "\n";
    return all;
}

TEST(Table, RowsBecomeObjects) {
    EXPECT_EQ(rows("q,a\nx,y\n1, 2\n"), "2:{\"q\":\"x\",\"a\":\"y\"}\n3:{\"q\":\"1\",\"a\":\" 2\"}\n");
    EXPECT_EQ(rows("q\r\nx\r\n\r\ny"), "2:{\"q\":\"x\"}\n4:{\"q\":\"y\"}\n");
    EXPECT_EQ(rows("q,a\n,\n"), "2:{\"q\":\"\",\"a\":\"\"}\n");
}

TEST(Table, QuotesHoldAnything) {
    EXPECT_EQ(rows("q,a\n\"x,\"\"y\"\"\nz\",\"\"\nlast,1\n"),
              "2:{\"q\":\"x,\\\"y\\\"\\u000az\",\"a\":\"\"}\n4:{\"q\":\"last\",\"a\":\"1\"}\n");
    EXPECT_EQ(rows("\"q\",\"a b\"\nc:\\d,\"\t\"\n"), "2:{\"q\":\"c:\\\\d\",\"a b\":\"\\u0009\"}\n");
    EXPECT_EQ(rows("q\n\"x"), "error 2: a quote in this row does not end");
    EXPECT_EQ(rows("q\n\"x\"\"\n"), "error 2: a quote in this row does not end");
}

TEST(Table, NamesAndHeadingsSayWhatSeparates) {
    EXPECT_EQ(rows("q\ta\nx,\t1\n", "a.tsv.gz"), "2:{\"q\":\"x,\",\"a\":\"1\"}\n");
    EXPECT_EQ(rows("q;a\nx,;1\n"), "2:{\"q\":\"x,\",\"a\":\"1\"}\n");
    EXPECT_EQ(rows("q;a,b\nx,1\n"), "2:{\"q;a\":\"x\",\"b\":\"1\"}\n");
    EXPECT_TRUE(is_table("a.csv") && is_table("a.tsv") && is_table("b/a.csv.gz"));
    EXPECT_FALSE(is_table("csv") || is_table("a.csv.txt") || is_table("a.jsonl"));
}

TEST(Table, FaultsAreNamed) {
    EXPECT_EQ(rows("q,a\nx\ny,1\n1,2,3\n"),
              "2:fault 1 value in a table of 2 columns\n3:{\"q\":\"y\",\"a\":\"1\"}\n4:fault 3 values in a table of 2 "
              "columns\n");
    EXPECT_EQ(rows(""), "error 1: the file is empty");
    EXPECT_EQ(rows("q,\nx,y\n"), "error 1: a heading is empty");
    EXPECT_EQ(rows("q,q\nx,y\n"), "error 1: two columns are headed 'q'");
    EXPECT_EQ(rows("q\n1\n2\n3\n4\n"), "error 5: more than 3 samples; split the file");
}

std::string columns(const char * text) {
    const auto parsed = parse_columns(text);
    if (!parsed.ok()) return parsed.message();
    std::string all;
    for (const auto & [field, name] : *parsed) all += field + "<-" + name + " ";
    return all;
}

TEST(Columns, AreAListOfFieldsAndNames) {
    EXPECT_EQ(columns("prompt=query,completion=the answer"), "prompt<-query completion<-the answer ");
    EXPECT_EQ(columns("text=a=b"), "text<-a=b ");
    for (const char * bad : {"", "prompt", "prompt=", "=query", "prompt=a,", "prompt=a,,text=b"})
        EXPECT_NE(columns(bad).find("is no FIELD=NAME"), std::string::npos) << bad;
    EXPECT_NE(columns("promt=query").find("'promt' is unknown; messages, "), std::string::npos);
    EXPECT_EQ(columns("prompt=a,prompt=b"), "columns: 'prompt' is given twice");
    EXPECT_EQ(columns("prompt=a,text=a"), "columns: 'a' is given twice");
}

TEST(Columns, GiveFieldsTheirNames) {
    const Columns names = *parse_columns("question=query,answer=reply");
    const auto sample = parse_sample(R"({"query": "q", "reply": "a", "id": 3})", 1, names);
    ASSERT_TRUE(sample.ok()) << sample.message();
    ASSERT_EQ(sample->messages.size(), 2u);
    EXPECT_EQ(sample->messages[0].content, "q");
    EXPECT_EQ(sample->messages[1].content, "a");
    const auto error_of = [&](const char * json) { return parse_sample(json, 1, names).message(); };
    EXPECT_EQ(error_of(R"({"query": "q", "answer": "a"})"),
              "there is no column 'reply', which --columns names as answer; there are: query, answer");
    EXPECT_EQ(error_of(R"({"query": "q", "reply": "a", "answer": "b"})"),
              "there is a column 'answer' beside the one that --columns names as it");
    const Columns swapped = *parse_columns("question=answer,answer=question");
    EXPECT_EQ(parse_sample(R"({"question": "a", "answer": "q"})", 1, swapped)->messages[0].content, "q");
}

}  // namespace
}  // namespace ql
