// ql-plot: pictures of runs from their metrics files, and every file that is none; what ql-finetune --plot draws.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "programs/workspace.hpp"

namespace ql::test {
namespace {

std::string line(int step, double loss, const std::string & more = "") {
    return "{\"step\":" + std::to_string(step) + ",\"loss\":" + std::to_string(loss) + ",\"lr\":0.001" + more + "}\n";
}

class Plot : public testing::Test {
  protected:
    Plot() {
        workspace_.write("a.jsonl", line(1, 3) + line(2, 2, ",\"eval_loss\":2.5") + line(3, 1.5));
        workspace_.write("b.jsonl", line(1, 3) + line(2, 2.5) + line(3, 2.25) + line(4, 2, ",\"eval_loss\":2.125"));
    }
    ProcessResult run(const std::string & arguments, const ProcessOptions & options = {}) const {
        return workspace_.run("ql-plot", arguments, options);
    }
    std::string read(const std::string & name) const { return read_all(workspace_.path(name)); }
    /// One line on stderr that has all words, exit code 2, an output that is as it was.
    void expect_refused(const std::string & arguments, const std::vector<std::string> & words) {
        workspace_.write("out.png", "as it was");
        const auto before = workspace_.content();
        const ProcessResult r = run(arguments);
        SCOPED_TRACE(arguments + "\n" + r.err);
        EXPECT_EQ(2, r.code);
        EXPECT_EQ("", r.out);
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n'));
        for (const std::string & word : words) EXPECT_NE(r.err.npos, r.err.find(word)) << "should name " << word;
        EXPECT_EQ(before, workspace_.content());
    }
    Workspace workspace_;
};

bool has(const std::string & text, const std::string & part) {
    return text.find(part) != text.npos;
}

TEST_F(Plot, ComparesRuns) {
    const ProcessResult r = run("{a.jsonl} {b.jsonl} -o {out.svg} --x step --y loss,lr");
    ASSERT_EQ(0, r.code) << r.err;
    EXPECT_EQ("", r.err);
    const std::string svg = read("out.svg");
    for (const std::string part : {">2 runs<", ">a: best 2.50 after step 2<", ">b: best 2.12 after step 4<", ">2.50<",
                                   ">loss, nats a trained token<", ">learning rate<", "#0072b2", "#d55e00"})
        EXPECT_TRUE(has(svg, part)) << part;
    EXPECT_TRUE(has(r.out, "out.svg")) << r.out;
    ASSERT_EQ(0, run("{a.jsonl} -o {out.png}").code);
    EXPECT_TRUE(read("out.png").starts_with("\x89PNG"));
}

TEST_F(Plot, TellsWhatItDrew) {
    const ProcessResult r = run("{a.jsonl} {b.jsonl} -o {out.png} --json --smooth 1");
    ASSERT_EQ(0, r.code) << r.err;
    const auto json = nlohmann::json::parse(r.out);
    EXPECT_EQ(json["picture"], workspace_.path("out.png"));
    EXPECT_EQ(json["runs"][1], (nlohmann::json{{"file", workspace_.path("b.jsonl")},
                                               {"name", "b"},
                                               {"steps", 4},
                                               {"skipped", 0},
                                               {"loss", 2},
                                               {"eval_best", 2.125},
                                               {"eval_best_step", 4}}));
}

TEST_F(Plot, TakesARunThatStillWrites) {
    workspace_.write("live.jsonl", line(1, 3) + line(2, 2) + "{\"step\":3,\"lo");
    const ProcessResult r = run("{live.jsonl} -o {out.png}");
    EXPECT_EQ(0, r.code);
    EXPECT_TRUE(has(r.err, "live.jsonl: the last line is not whole")) << r.err;
    EXPECT_EQ(run("{live.jsonl} -o {out.png} -q").err, "");
}

TEST_F(Plot, RefusesFilesThatAreNoMetrics) {
    expect_refused("{none.jsonl} -o {out.png}", {"none.jsonl", "No such file"});
    expect_refused("{folder} -o {out.png}", {"folder: is a folder"});
    expect_refused("{empty} -o {out.png}", {"empty: is empty"});
    expect_refused("{a.jsonl} {text.txt} -o {out.png}", {"text.txt: line 1"});
    expect_refused("{model.gguf} -o {out.png}", {"model.gguf: line 1"});
    expect_refused("{data.jsonl} -o {out.png}", {"data.jsonl: line 1: has no step"});
    workspace_.write("nan.jsonl", "{\"step\":1,\"loss\":NaN}\n");
    expect_refused("{nan.jsonl} -o {out.png}", {"nan.jsonl: line 1", "NaN is no JSON"});
    workspace_.write("null.jsonl", "{\"step\":1,\"loss\":null}\n");
    expect_refused("{null.jsonl} -o {out.png}", {"null.jsonl: no line has a figure for \"loss\""});
    expect_refused("{a.jsonl} -o {out.png} --y loss,tok_s", {"a.jsonl: no line has a figure for \"tok_s\""});
    expect_refused("{a.jsonl} -o {out.png} --x seconds", {"a.jsonl: no line has a figure for \"seconds\""});
    workspace_.write("twice.jsonl", line(1, 3) + line(2, 3) + line(1, 2));
    expect_refused("{twice.jsonl} -o {out.png}", {"twice.jsonl: line 3: step 1 comes after step 2"});
}

TEST_F(Plot, RefusesWhatCannotBeMeant) {
    expect_refused("{a.jsonl} {a.jsonl} -o {out.png}", {"a.jsonl: is given twice"});
    std::filesystem::create_symlink(workspace_.path("a.jsonl"), workspace_.path("link.jsonl"));
    expect_refused("{a.jsonl} {link.jsonl} -o {out.png}", {"link.jsonl: is given twice, as ", "a.jsonl"});
    expect_refused("{a.jsonl} -o {a.jsonl}", {"pictures are .png or .svg"});
    workspace_.write("m.png", line(1, 2));
    expect_refused("{m.png} -o {m.png}", {"m.png is the input of METRICS"});
    expect_refused("{a.jsonl}", {"-o"});
    expect_refused("-o {out.png}", {"metrics"});
    expect_refused("{a.jsonl} -o {nowhere/out.png}", {"nowhere"});
    expect_refused("{a.jsonl} -o {out.png} --y loss,speed", {"--y: 'speed' is nothing that can be drawn", "tok_s"});
    expect_refused("{a.jsonl} -o {out.png} --y loss,loss", {"'loss' is there twice"});
    expect_refused("{a.jsonl} -o {out.png} --x loss", {"'loss' is unknown"});
    expect_refused("{a.jsonl} -o {out.png} --smooth 0", {"--smooth"});
    expect_refused("{a.jsonl} -o {out.png} --log maybe", {"'maybe' is unknown"});
    std::string many;
    for (int i = 0; i < 22; ++i)
        many += "{" + workspace_.write("m" + std::to_string(i), line(1, 2)).substr(workspace_.path("").size()) + "} ";
    expect_refused(many + "-o {out.png}", {"22 files", "21 runs"});
}

TEST_F(Plot, NamesOfAnyKindAreShown) {
    workspace_.write("\xE6\xA8\xA1\xE5\x9E\x8B <&>.jsonl", line(1, 3) + line(2, 2));
    for (const std::string out : {"{out.svg}", "{out.png}"}) {
        std::vector<std::string> arguments = workspace_.arguments("-o " + out);
        arguments.push_back(workspace_.path("\xE6\xA8\xA1\xE5\x9E\x8B <&>.jsonl"));
        arguments.push_back("--title=" + std::string(3000, 'W'));
        EXPECT_EQ(0, run_program("ql-plot", arguments).code);
    }
    EXPECT_TRUE(has(read("out.svg"), ">WWW")) << "shortened";
    EXPECT_LT(read("out.svg").size(), 20000u);
}

TEST_F(Plot, DrawsAMillionStepsInLittleMemory) {
    std::string text;
    text.reserve(200u << 20);
    for (int i = 1; i <= 1000000; ++i)
        text += "{\"step\":" + std::to_string(i) + ",\"epoch\":0.5,\"loss\":" + std::to_string(2 + i % 7 * 0.1) +
                ",\"lr\":0.001,\"grad_norm\":0.5,\"tokens\":512,\"tok_s\":1000.5,\"seconds\":1.5,\"rss_bytes\":1}\n";
    workspace_.write("long.jsonl", text);
    ProcessOptions options;
    options.kill_after = 400;
#ifndef __SANITIZE_ADDRESS__
    options.in_child = [] {
        const rlimit memory{256u << 20, 256u << 20};
        ::setrlimit(RLIMIT_DATA, &memory);
    };
#endif
    const ProcessResult r = run("{long.jsonl} -o {out.png}", options);
    EXPECT_EQ(0, r.code) << r.err;
    EXPECT_LT(read("out.png").size(), 4u << 20);
}

constexpr const char * kTrain =
    "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 4 --lr 0.01 -q ";

TEST_F(Plot, FinetuneDrawsUnderATitleOfWhatItTrained) {
    const ProcessResult r = workspace_.run(
        "ql-finetune", std::string(kTrain) + "--steps 20 --eval-data {data.jsonl} --eval-every 5 --plot {p.svg}");
    ASSERT_EQ(0, r.code) << r.err;
    const std::string svg = read("p.svg");
    for (const std::string part : {">model.gguf \xC2\xB7 data.jsonl \xC2\xB7 r 4 \xC2\xB7 lr 0.01<", ">20 steps, loss ",
                                   ">evaluation<", ">best ", ">learning rate<", ">gradient norm", ">20<"})
        EXPECT_TRUE(has(svg, part)) << part;
}

TEST_F(Plot, ARunThatGoesOnDrawsTheWholeCurve) {
    for (const std::string metrics : {"", "--metrics {m.jsonl} "}) {
        const std::string more = metrics + "--keep-checkpoints --save-every 4 --eval-data {data.jsonl} --overwrite ";
        ASSERT_EQ(0, workspace_.run("ql-finetune", kTrain + more + "--steps 8 --plot {p.svg}").code);
        std::filesystem::remove(workspace_.path("p.svg"));
        const std::string curve = workspace_.path("a.gguf.ckpt/curve.jsonl"), before = read("a.gguf.ckpt/curve.jsonl");
        std::filesystem::create_hard_link(curve, workspace_.path("before" + std::to_string(metrics.size())));
        const ProcessResult r =
            workspace_.run("ql-finetune", kTrain + more + "--steps 12 --plot {p.svg} --resume auto");
        ASSERT_EQ(0, r.code) << r.err;
        EXPECT_EQ(before, read("before" + std::to_string(metrics.size())))
            << "replaced whole, not cut and written anew";
        const std::string kept = read("a.gguf.ckpt/curve.jsonl");
        EXPECT_EQ(13, std::count(kept.begin(), kept.end(), '\n')) << "the evaluation before training, 12 steps\n"
                                                                  << kept;
        EXPECT_TRUE(kept.starts_with("{\"step\":0,\"eval_loss\":")) << kept;
        EXPECT_TRUE(has(read("p.svg"), ">12 steps, loss "));
        EXPECT_TRUE(has(read("p.svg"), ">mean of 5 steps<")) << "of all steps";
    }
}

TEST_F(Plot, ARunThatIsStoppedKeepsEveryStepOfItsCurve) {
    const std::string train =
        "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 4 --lr 0.01 ";
    int64_t before = 1;
    for (const std::string stop : {"step 6:", "step 30:"}) {
        ProcessOptions options;
        options.interrupt_at = "eval     " + stop;
        const ProcessResult r = workspace_.run(
            "ql-finetune",
            train + "--steps 100000 --eval-data {data.jsonl} --eval-every 6 --plot {p.svg} --resume auto", options);
        EXPECT_EQ(130, r.code) << r.err;
        const std::string kept = read("a.gguf.ckpt/curve.jsonl");
        const int64_t lines = std::count(kept.begin(), kept.end(), '\n');
        const size_t last = kept.rfind("{\"step\":");
        ASSERT_NE(last, kept.npos);
        EXPECT_EQ(lines, std::stoll(kept.substr(last + 8)) + 1) << "no step is missing";
        EXPECT_GT(lines, before);
        before = lines;
        EXPECT_TRUE(has(read("p.svg"), ">" + std::to_string(lines - 1) + " steps, loss "));
    }
}

TEST_F(Plot, FiguresOfAnotherRunAreNoPartOfTheCurve) {
    const std::string more = "--keep-checkpoints --save-every 4 --overwrite ";
    ASSERT_EQ(0, workspace_.run("ql-finetune", kTrain + more + "--steps 8 --plot {p.svg}").code);
    ASSERT_EQ(0, workspace_.run("ql-finetune", kTrain + more + "--steps 4").code);
    EXPECT_FALSE(std::filesystem::exists(workspace_.path("a.gguf.ckpt/curve.jsonl")))
        << "of a run whose checkpoints went";
    ASSERT_EQ(0, workspace_.run("ql-finetune", kTrain + std::string("--steps 4 --plot {p.svg} --overwrite")).code);
    EXPECT_FALSE(std::filesystem::exists(workspace_.path("a.gguf.ckpt"))) << "nothing is left of a run that ended";
}

}  // namespace
}  // namespace ql::test
