// Tables: what a row is, and what it becomes.
#include "models/data/table.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "models/data/form_fields.hpp"
#include "models/data/forms.hpp"
#include "support/growth.hpp"

namespace ql {
namespace {

std::string rows(std::string_view text, const std::string & path = "a.csv") {
    auto table = Table::open(text, path, 3);
    if (!table.ok()) return "error " + table.message();
    std::string all;
    while (true) {
        const auto row = table->next();
        if (!row.ok()) return all + "error " + row.message();
        if (!*row) return all;
        all += std::to_string((*row)->line) + ":" + ((*row)->fault.empty() ? (*row)->json : "fault " + (*row)->fault) +
               "\n";
    }
}

TEST(Table, RowsBecomeObjects) {
    EXPECT_EQ(rows("q,a\nx,y\n1, 2\n"), "2:{\"q\":\"x\",\"a\":\"y\"}\n3:{\"q\":\"1\",\"a\":\" 2\"}\n");
    EXPECT_EQ(rows("q\r\nx\r\n\r\ny"), "2:{\"q\":\"x\"}\n4:{\"q\":\"y\"}\n");
    EXPECT_EQ(rows("q,a\n,\n"), "2:{\"q\":\"\",\"a\":\"\"}\n");
    EXPECT_EQ(rows(" q, a b\t,\" c \"\nx,y, z\n"), "2:{\"q\":\"x\",\"a b\":\"y\",\"c\":\" z\"}\n")
        << "blanks around a heading are none of its name";
    EXPECT_EQ(rows("q, q\nx,y\n"), "error 1: two columns are headed 'q'");
    EXPECT_EQ(rows("q, \nx,y\n"), "error 1: a heading is empty");
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
    EXPECT_EQ(rows("q\n1\n2\n3\n4\n"),
              "2:{\"q\":\"1\"}\n3:{\"q\":\"2\"}\n4:{\"q\":\"3\"}\nerror 5: more than 3 samples; split the file");
}

TEST(Table, OtherSeparatorsAreNamed) {
    for (const auto & [path, headings, hint] :
         {std::tuple{"a.csv", "question\tanswer", "this one has tabs: name it .tsv"},
          {"a.csv", "question|answer", "between commas or semicolons"},
          {"a.tsv", "question,answer", "this one has no tabs: name it .csv"},
          {"a.tsv.gz", "question;answer", "this one has no tabs: name it .csv"}}) {
        const std::string error = rows(std::string(headings) + "\nx,y\n", path);
        EXPECT_TRUE(error.starts_with("error 1: one column, headed 'question")) << error;
        EXPECT_NE(error.find(hint), error.npos) << error;
    }
    EXPECT_EQ(rows("\"q,a\"\nx\n"), "2:{\"q,a\":\"x\"}\n");
    EXPECT_EQ(rows("q,a|b\nx,y\n"), "2:{\"q\":\"x\",\"a|b\":\"y\"}\n");
}

TEST(Table, OtherEncodingsAreNamed) {
    const std::string why = "is not UTF-8; save the table as UTF-8, or convert it with iconv";
    EXPECT_EQ(rows("q,a\nx,Z\xFCrich\ny,z\n"), "2:fault the value of 'a' " + why + "\n3:{\"q\":\"y\",\"a\":\"z\"}\n");
    EXPECT_EQ(rows("q,a\xE9\nx,y\n"), "error 1: a heading " + why);
}

TEST(Table, TextBehindAQuoteIsAFault) {
    const std::string fault = "text follows the quote that ends a value; a quote in a value is written twice";
    EXPECT_EQ(rows("q,a\n\"He said \"hi\" there\",x\n\"y\",\"1\"\n"),
              "2:fault " + fault + "\n3:{\"q\":\"y\",\"a\":\"1\"}\n");
    EXPECT_EQ(rows("q,a\n\"y\" ,1\n"), "2:fault " + fault + "\n");
    EXPECT_EQ(rows("q,a\nx\"y\",\"1\"\r\nz,\"\""),
              "2:{\"q\":\"x\\\"y\\\"\",\"a\":\"1\"}\n3:{\"q\":\"z\",\"a\":\"\"}\n");
    EXPECT_EQ(rows("\"q\"r,a\nx,y\n"), "error 1: " + fault);
}

/// Each row's JSON repeats the headings.
TEST(Table, HeadingsAreShortAndFew) {
    const std::string name(1024, 'h'), most = "a" + std::string(4095, ',');
    EXPECT_EQ(rows(name + "\nx\n"), "2:{\"" + name + "\":\"x\"}\n");
    EXPECT_EQ(rows(name + "i\nx\n"),
              "error 1: the heading '" + std::string(40, 'h') + "...' has 1025 bytes, at most 1024 are read");
    EXPECT_EQ(rows(most + "\n"), "error 1: a heading is empty");
    EXPECT_EQ(rows(most + ",\n"), "error 1: 4097 columns, at most 4096 are read");
    EXPECT_EQ(rows("q\n" + std::string(9999, ',') + "\n"), "2:fault 10000 values in a table of 1 columns\n");
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
    EXPECT_EQ(columns("prompt=\"a, b\",completion=\"c\"\"d,\"\"\""), "prompt<-a, b completion<-c\"d,\" ");
    EXPECT_EQ(columns("prompt=a \"b\",text=\"\"\"\""), "prompt<-a \"b\" text<-\" ");
    EXPECT_EQ(columns("prompt=\"a,completion=b"), "columns: the quote in 'prompt=\"a,completion=b' does not end");
    for (const char * bad : {"", "prompt", "prompt=", "=query", "prompt=a,", "prompt=a,,text=b"})
        EXPECT_NE(columns(bad).find("is no FIELD=NAME"), std::string::npos) << bad;
    EXPECT_NE(columns("promt=query").find("'promt' is unknown; messages, "), std::string::npos);
    EXPECT_EQ(columns("prompt=a,prompt=b"), "columns: 'prompt' is given twice");
    EXPECT_EQ(columns("prompt=a,text=a"), "columns: 'a' is given twice");
}

TEST(Columns, GiveFieldsTheirNames) {
    for (const char * pair : {"question=query,answer=reply", "query=q,solution=s", "problem=p,response=r",
                              "conversation=c,tools=t,system_prompt=s"})
        EXPECT_TRUE(parse_columns(pair).ok()) << pair;
    const Columns names = *parse_columns("question=query,answer=reply");
    const auto sample = parse_sample(R"({"query": "q", "reply": "a", "id": 3})", 1, names);
    ASSERT_TRUE(sample.ok()) << sample.message();
    ASSERT_EQ(sample->messages.size(), 2u);
    EXPECT_EQ(sample->messages[0].content, "q");
    EXPECT_EQ(sample->messages[1].content, "a");
    const auto error_of = [&](const char * json) { return parse_sample(json, 1, names).message(); };
    EXPECT_EQ(error_of(R"({"query": "q", "answer": "a"})"),
              "there is no column 'reply', which --columns names as answer; there are: \"query\", \"answer\"");
    EXPECT_EQ(error_of(R"({"query": "q", "reply": "a", "answer": "b"})"),
              "there is a column 'answer' beside the one that --columns names as it");
    const Columns swapped = *parse_columns("question=answer,answer=question");
    EXPECT_EQ(parse_sample(R"({"question": "a", "answer": "q"})", 1, swapped)->messages[0].content, "q");
}

/// A sample with a field of some name, which holds "v"; `meant` is the field that it stands for.
std::string sample_with(const std::string & name, const std::string & meant) {
    const auto is_in = [&](const FieldNames & names) {
        return std::find(names.begin(), names.end(), meant) != names.end();
    };
    const std::string turn = R"({"role": "user", "content": "v"}, {"role": "assistant", "content": "a"})",
                      begin = "{\"" + name + "\": ", question = R"(, "question": "q")", answer = R"(, "answer": "a")";
    if (is_in(kConversationFields)) return begin + "[" + turn + "]}";
    if (is_in(kQuestionFields)) return begin + "\"v\"" + answer + "}";
    if (is_in(kAnswerFields)) return begin + "\"v\"" + question + "}";
    if (meant == kPromptField) return begin + R"("v", "completion": "c"})";
    if (meant == kCompletionField) return begin + R"("v", "prompt": "p"})";
    if (meant == kTextField) return begin + "\"v\"}";
    if (meant == kToolsField)
        return begin + R"([{"type": "function", "function": {"name": "v"}}], "messages": [)" + turn + "]}";
    return begin + (meant == kHistoryField ? "[[\"v\", \"w\"]]" : "\"v\"") + question + answer + "}";
}

TEST(Columns, MayStandForEveryFieldThatAFormReads) {
    EXPECT_EQ(form_fields().size(), 20u);
    for (const std::string field : form_fields()) {
        const auto columns = parse_columns(field + "=x");
        ASSERT_TRUE(columns.ok()) << columns.message();
        const auto plain = parse_sample(sample_with(field, field)),
                   named = parse_sample(sample_with("x", field), 1, *columns);
        ASSERT_TRUE(plain.ok()) << field << ": " << plain.message();
        ASSERT_TRUE(named.ok()) << field << ": " << named.message();
        std::string text = named->prompt + named->text + named->tools;
        for (const Message & m : named->messages) text += m.content;
        EXPECT_NE(text.find('v'), text.npos) << field << " is not read";
    }
}

TEST(Columns, TakeTimeThatGrowsWithTheSample) {
    const Columns names = *parse_columns("text=body");
    const auto sample = [](int n) {
        std::string text = R"({"body": "t")";
        for (int i = 0; i < n; ++i) text += ", \"_" + std::to_string(i) + "\": 0";
        return text + "}";
    };
    EXPECT_EQ(test::grows_too_fast(sample, 60000, [&](const std::string & t) { (void)parse_sample(t, 1, names); }), "");
}

}  // namespace
}  // namespace ql
