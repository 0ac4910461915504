// Generated answers and their scores, as ql-perplexity --score reports them: in its JSON, its table, and line by line.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;
using Names = std::vector<std::string>;

Names names_in(const Json & object) {
    Names names;
    for (const auto & item : object.items()) names.push_back(item.key());
    return names;
}

struct Question {
    const char *asked, *wanted;
    const char * learnt;  // what the adapter answers that has learnt data.jsonl by heart
    bool exact, normalized;
    double f1, rouge_l;
    bool final;
};
constexpr Question kQuestions[] = {
    {"Order 0 tea", "tea x0", "tea x0", true, true, 1, 1, true},
    {"Order 1 bread", "BREAD, \"x1\"!", "bread x1", false, true, 1, 1, true},
    {"Order 2 the red hat", "red hat X2", "the red hat x2", false, true, 1, 6. / 7, true},
    {"Order 3 a map", "x3: a map", "a map x3", false, false, 1, 4. / 6, true},
    {"Order 4 two pens", "two pens and x4", "two pens x4", false, false, 6. / 7, 6. / 7, true},
    {"Order 5 salt", "no 6", "salt x5", false, false, 0, 0, false},
};

std::string chat(const std::string & asked, const std::string & answer) {
    const Json question = {{"role", "user"}, {"content", asked}}, reply = {{"role", "assistant"}, {"content", answer}};
    return Json({{"messages", Json::array({question, reply})}}).dump() + "\n";
}

class Answers : public testing::Test {
  protected:
    Answers() {
        std::string lines;
        for (const Question & q : kQuestions) lines += chat(q.asked, q.wanted);
        workspace_.write("other.jsonl", lines);
    }
    ProcessResult must(const std::string & program, const std::string & line) const {
        ProcessResult r = workspace_.run(program, line);
        EXPECT_EQ(0, r.code) << show_command(program, workspace_.arguments(line)) << "\n" << r.err;
        return r;
    }
    std::vector<Json> predictions() const {
        std::istringstream lines(read_all(workspace_.path("p.jsonl")));
        std::vector<Json> all;
        for (std::string line; std::getline(lines, line);) all.push_back(Json::parse(line));
        return all;
    }
    Workspace workspace_;
};

TEST_F(Answers, AreScoredByEachMeasure) {
    must("ql-finetune",
         "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 16 --lr 0.003 --epochs 40");
    const std::string of = "-m {model.gguf} --lora {a.gguf} -d {other.jsonl} ";
    const Json json = Json::parse(
        must("ql-perplexity", of + "--score rouge_l,final --score f1,normalized --predictions {p.jsonl} --json").out);
    EXPECT_EQ(names_in(json),
              (Names{"nll", "ppl", "tokens", "tok_s", "exact", "normalized", "f1", "rouge_l", "final"}));
    const std::vector<Json> lines = predictions();
    ASSERT_EQ(lines.size(), std::size(kQuestions));
    std::map<std::string, double> sums;
    int n_learnt = 0;
    for (size_t i = 0; i < lines.size(); ++i) {
        const Json & p = lines[i];
        SCOPED_TRACE(p.dump());
        EXPECT_EQ(names_in(p), (Names{"sample", "input", "expected", "got", "exact", "cut", "nll", "normalized", "f1",
                                      "rouge_l", "final"}));
        for (const char * score : {"exact", "normalized", "final"}) sums[score] += p[score].get<bool>() ? 1 : 0;
        for (const char * score : {"f1", "rouge_l"}) sums[score] += p[score].get<double>();
        const Question & q = kQuestions[i];
        if (p["got"] != q.learnt) continue;
        ++n_learnt;
        EXPECT_EQ(p["exact"], q.exact);
        EXPECT_EQ(p["normalized"], q.normalized);
        EXPECT_NEAR(p["f1"].get<double>(), q.f1, 1e-12);
        EXPECT_NEAR(p["rouge_l"].get<double>(), q.rouge_l, 1e-12);
        EXPECT_EQ(p["final"], q.final);
    }
    EXPECT_GE(n_learnt, 4) << "it has not learnt them";
    for (const auto & [score, sum] : sums) EXPECT_NEAR(json[score].get<double>(), sum / 6, 1e-12) << score;
    must("ql-perplexity", of + "--score final --marker , --predictions {p.jsonl}");
    for (size_t i = 0; i < lines.size(); ++i)
        EXPECT_EQ(predictions()[i]["final"], lines[i]["final"] && i != 1) << "of 'BREAD, \"x1\"!' it is '\"x1\"!'";
}

TEST_F(Answers, HaveARowOfTheTableForEachScore) {
    const auto rows = [&](const std::string & options) {
        const std::string table = must("ql-perplexity", "-m {model.gguf} -d {other.jsonl} " + options).out;
        const size_t at = table.find("exact ");
        return at == table.npos ? "no row in " + table : table.substr(at);
    };
    EXPECT_EQ(rows("--exact"), "exact       0 of 6, 0.0 %\n");
    EXPECT_EQ(rows("--score exact"), rows("--exact"));
    const std::string all = rows("--score f1,final,normalized");
    EXPECT_TRUE(all.starts_with("exact       0 of 6, 0.0 %\nnormalized  0 of 6, 0.0 %\nf1          ")) << all;
    EXPECT_NE(all.find("\nfinal       "), all.npos) << all;
    EXPECT_EQ(all.find("rouge_l"), all.npos) << all;
}

TEST_F(Answers, WithoutAFinalOneAreNamed) {
    workspace_.write("words.jsonl", chat("Colour?", "=> red") + chat("Count?", "blue"));
    const std::string of = "-m {model.gguf} -d {words.jsonl} --score final ";
    const ProcessResult none = workspace_.run("ql-perplexity", of);
    EXPECT_EQ(2, none.code);
    EXPECT_NE(none.err.find("--score final: no answer of the data has '####' or a number"), none.err.npos) << none.err;
    const ProcessResult some = must("ql-perplexity", of + "--marker => --json");
    EXPECT_NE(some.err.find("1 of 2 samples have neither '=>' nor a number"), some.err.npos) << some.err;
    EXPECT_EQ(0, Json::parse(some.out)["final"]);
}

}  // namespace
}  // namespace ql::test
