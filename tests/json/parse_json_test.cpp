// The reader of all JSON: what it accepts, and that every limit is an error with a place.
#include "models/json/parse_json.hpp"

#include <gtest/gtest.h>

#include "support/growth.hpp"
#include "support/temporary_folder.hpp"

namespace ql {
namespace {

std::string shown(const std::string & text, const JsonLimits & limits = {}) {
    const auto json = parse_json(text, 1, limits);
    return json.ok() ? json->dump() : "error: " + json.message();
}

std::string nested(size_t depth, const std::string & open, const std::string & close) {
    std::string text;
    for (size_t i = 0; i < depth; ++i) text += open;
    text += "1";
    for (size_t i = 0; i < depth; ++i) text += close;
    return text;
}

TEST(ParseJson, KeepsTheOrderOfKeysAndEveryValue) {
    const std::string text =
        R"({"z":[1,-2,18446744073709551615,0.5,true,false,null],"a":{"":[],"x":{}},"m":"é\u0000\n"})";
    EXPECT_EQ(shown(text),
              R"({"z":[1,-2,18446744073709551615,0.5,true,false,null],"a":{"":[],"x":{}},"m":"é\u0000\n"})");
    EXPECT_EQ(shown(" 3 \n"), "3");
    EXPECT_EQ(shown("\xEF\xBB\xBF{}"), "{}");
    EXPECT_EQ(shown(R"("[[[\"{{{\\")"), R"("[[[\"{{{\\")");
}

TEST(ParseJson, NestingHasALimit) {
    EXPECT_EQ(shown(nested(64, "[", "]")), nested(64, "[", "]"));
    EXPECT_EQ(shown(nested(64, "{\"a\":", "}")), nested(64, "{\"a\":", "}"));
    const char * said = "nested too deep: more than 64 arrays and objects in each other";
    EXPECT_EQ(shown(nested(65, "[", "]")), std::string("error: line 1, byte 65: ") + said);
    for (const char * open : {"[", "{\"a\":", "[{\"a\":", "[0,"})
        EXPECT_NE(shown(nested(1000000, open, "")).find(said), std::string::npos) << open;
    EXPECT_NE(shown("{\n\"a\": \n" + nested(100, "[", "]")).find("line 3, byte 64: nested"), std::string::npos);
}

TEST(ParseJson, SizeAndNumberOfValuesHaveLimits) {
    EXPECT_EQ(shown("[1, 2, 3]", {.values = 4}), "[1,2,3]");
    EXPECT_EQ(shown("[1, 2, 3]", {.values = 2}), "error: line 1, byte 9: more than 2 values");
    EXPECT_EQ(shown("[1, 2, 3]", {.bytes = 8}), "error: line 1: JSON of 9 bytes, at most 8 are read");
}

TEST(ParseJson, KeyGivenTwiceIsAnError) {
    EXPECT_EQ(shown(R"({"a": 1, "b": {"a": 1}, "c": [{"a": 2}, {"a": 3}]})"),
              R"({"a":1,"b":{"a":1},"c":[{"a":2},{"a":3}]})");
    EXPECT_EQ(shown("{\"a\": 1,\n\"b\": 2, \"a\": 3}"),
              "error: line 2, byte 15: \"a\" is there twice in the object that ends here");
    EXPECT_NE(shown(R"([{"\u0061": 1, "a": 3}])").find("\"a\" is there twice"), std::string::npos);
}

TEST(ParseJson, NumbersBeyondADoubleAndNanAreErrors) {
    EXPECT_NE(shown("{\"a\": 1e999}").find("byte 12: number overflow parsing '1e999'"), std::string::npos)
        << shown("{\"a\": 1e999}");
    EXPECT_EQ(shown("1e-999"), "0.0");
    EXPECT_EQ(shown("{\"a\": NaN}"), "error: line 1, byte 7: NaN is no JSON; write null");
    EXPECT_NE(shown("[-Infinity]").find("Infinity is no JSON; write null"), std::string::npos);
}

TEST(ParseJson, ErrorsSayWhere) {
    EXPECT_EQ(
        shown(""),
        "error: line 1, byte 0: syntax error while parsing value - unexpected end of input; expected '[', '{', or a "
        "literal");
    for (const char * text : {"{", "[1,]", "{} x", "\"\xff\"", "{\"a\"}", "nul", "\"a", "'a'", "[1 2]", "01", "\"\t\""})
        EXPECT_EQ(shown(text).substr(0, 20), "error: line 1, byte ") << text;
    EXPECT_LT(shown("[" + std::string(10000, '1') + "x]").size(), 250u);
    EXPECT_NE(parse_json("{\n\n!", 7).message().find("line 9, byte 1:"), std::string::npos);
}

TEST(ParseJson, TimeGrowsWithTheSize) {
    const auto keys = [](int n) {  // a vocabulary: searching the object for each key would take n^2 / 2 comparisons
        std::string text = "{\"\":0";
        for (int i = 0; i < n; ++i) text += ",\"token" + std::to_string(i) + "\":" + std::to_string(i);
        return text + "}";
    };
    EXPECT_EQ(test::grows_too_fast(keys, 100000, [](const std::string & t) { (void)parse_json(t); }), "");
}

TEST(ReadJsonObject, NamesTheFile) {
    const test::TemporaryFolder folder;
    EXPECT_EQ(read_json_object(folder.write("a.json", "{\"a\": 1}"))->dump(), "{\"a\":1}");
    EXPECT_NE(read_json_object(folder.write("b.json", "[]")).message().find("b.json: is no JSON object"),
              std::string::npos);
    EXPECT_NE(read_json_object(folder.write("c.json", "{\n\"a\" 1}")).message().find("c.json: line 2, byte 6:"),
              std::string::npos);
    EXPECT_EQ(read_json_object(folder.path("absent.json")).code(), QL_NOT_FOUND);
    EXPECT_FALSE(read_json_object(folder.write("d.json", "{\"a\": 1}"), {.bytes = 4}).ok());
}

}  // namespace
}  // namespace ql
