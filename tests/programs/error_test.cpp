// ql-bench error: what products of other kinds lose, of every weight that is frozen and in both directions.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

class ErrorProgram : public testing::Test {
  protected:
    ProcessResult run(const std::string & line) const { return workspace_.run("ql-bench", line, {"", {"QL_ISA="}}); }

    Workspace workspace_;
};

TEST_F(ErrorProgram, SaysWhatEachKindOfProductLosesOnAText) {
    workspace_.write("text.txt",
                     "Once upon a time there was a little girl who lived by the sea and had a big red boat. "
                     "One day the wind took it far away, and she looked for it until the sun went down.");
    ASSERT_EQ(0, run("make-model --shape tiny --type q4_0 -o {made.gguf} -q").code);
    const ProcessResult r = run("error -m {made.gguf} --base-type keep -f {text.txt} -c 16 --json -q -t 2");
    ASSERT_EQ(0, r.code) << r.err;
    const auto all = nlohmann::json::parse(r.out);
    EXPECT_EQ(all["tokens"], 16);
    std::map<std::string, std::set<std::string>> sides;
    for (const auto & p : all["products"]) {
        const std::string kind = p["kind"];
        sides[p["weight"]].insert(p["side"]);
        EXPECT_GT(p["nmse"], 0) << p;  // f32 is another arithmetic
        EXPECT_LT(p["nmse"], kind == "int16" ? 1e-6 : kind == "bf16" ? 1e-4 : 1e-3) << p;
        EXPECT_GE(p["worst"], p["nmse"]) << p;
    }
    EXPECT_EQ(sides["blk.1.ffn_down.weight"], (std::set<std::string>{"backward", "forward"}));
    EXPECT_EQ(sides["blk.0.attn_q.weight"], (std::set<std::string>{"forward"}));  // nothing below is trained
    EXPECT_TRUE(sides.contains("output.weight") || sides.contains("token_embd.weight"));

    const ProcessResult table = run("error -m {made.gguf} --base-type keep -f {text.txt} -c 16 -q");
    ASSERT_EQ(0, table.code) << table.err;
    EXPECT_NE(table.out.find("blk.1"), std::string::npos) << table.out;
    EXPECT_NE(table.out.find("int8_1"), std::string::npos) << table.out;
}

TEST_F(ErrorProgram, NeedsATextAndATextThatIsThere) {
    EXPECT_EQ(2, run("error -m {model.gguf}").code);
    EXPECT_EQ(2, run("error -m {model.gguf} -f {nowhere.txt}").code);
    EXPECT_EQ(2, run("error -m {model.gguf} -f {text.txt} --memory 1GiB").code);
}

}  // namespace
}  // namespace ql::test
