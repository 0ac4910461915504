// Options of ql-finetune: what they mean together, which of them would do nothing, and what is said of a run.
#include <gtest/gtest.h>

#include <algorithm>

#include "programs/workspace.hpp"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

class TrainingOptions : public testing::Test {
  protected:
    /// A dry run over the data; what it says on stderr.
    std::string said(const std::string & more) const {
        const ProcessResult r = workspace_.run("ql-finetune", "-m {model.gguf} --ctx 64 --lora-r 4 --dry-run " + more);
        EXPECT_EQ(0, r.code) << r.err;
        return r.err;
    }
    /// One line that has all of `words`, exit code 2, nothing of the folder changes.
    void expect_refused(const std::string & line, const std::vector<std::string> & words) const {
        const auto before = workspace_.content();
        const ProcessResult r = workspace_.run("ql-finetune", line);
        EXPECT_EQ(2, r.code) << line << "\n" << r.err;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        for (const std::string & word : words) EXPECT_NE(r.err.find(word), r.err.npos) << word << "\n" << r.err;
        EXPECT_EQ(before, workspace_.content());
    }
    static bool has(const std::string & text, const std::string & part) { return text.find(part) != text.npos; }

    Workspace workspace_;
};

TEST_F(TrainingOptions, PartsWithoutAnEndOfTurnAreNoFaultOfTheModel) {
    std::string thoughts;
    for (int i = 0; i < 24; ++i)
        thoughts += R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "<think>)" +
                    std::to_string(i) + "</think>b\"}]}\n";
    workspace_.write("thoughts.jsonl", thoughts);
    const std::string parts = said("-d {thoughts.jsonl} --train-on reasoning");
    EXPECT_TRUE(has(parts, "no end of turn is among what --train-on reasoning trains")) << parts;
    EXPECT_FALSE(has(parts, "--chat-template")) << parts;
    EXPECT_FALSE(has(said("-d {thoughts.jsonl} --train-on last,words"), "end of turn"));
}

TEST_F(TrainingOptions, ThePlanIsSaidBeforeTheRun) {
    ProcessOptions stop;
    stop.interrupt_at = "train ";
    const ProcessResult r = workspace_.run(
        "ql-finetune", "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --steps 1000000", stop);
    const size_t plan = r.err.find("plan     "), trained = r.err.find("train ");
    ASSERT_LT(plan, trained) << r.err;
    const std::string line = r.err.substr(plan, r.err.find('\n', plan) - plan);
    EXPECT_TRUE(has(line, "MiB of memory, 1,000,000 steps, about ")) << line;
    EXPECT_TRUE(has(line, ":")) << "hours of so many steps: " << line;
}

/// docs/recipes: each is a run, and the command line goes before it.
TEST_F(TrainingOptions, TheRecipesAreRuns) {
    int n = 0;
    for (const auto & entry : std::filesystem::directory_iterator(QL_SOURCE_DIR "/docs/recipes")) {
        const std::string recipe = entry.path().string(), out = "{" + entry.path().stem().string() + ".gguf}";
        const ProcessResult r = workspace_.run(
            "ql-finetune", "-m {model.gguf} -d {data.jsonl} --ctx 64 --epochs 0.5 -o " + out + " --config " + recipe);
        EXPECT_EQ(0, r.code) << recipe << "\n" << r.err;
        ++n;
    }
    EXPECT_GE(n, 5);
}

/// An adapter that knows the answers, trained on others: each evaluation is worse than the one before.
TEST_F(TrainingOptions, ARunThatGainsNothingSaysSo) {
    workspace_.write("unlike.jsonl", R"({"question": "the sea?", "answer": "QZ#QZ#QZ#QZ"})"
                                     "\n");
    const std::string run = "-m {model.gguf} --ctx 64 --grad-accum 1 --lr 1e-2 ", eval = "--eval-data {data.jsonl} ";
    const ProcessResult better = workspace_.run("ql-finetune", run + eval + "-d {data.jsonl} -o {a.gguf} --steps 40");
    EXPECT_EQ(0, better.code) << better.err;
    EXPECT_FALSE(has(better.err + better.out, "before training")) << better.err;
    EXPECT_FALSE(has(better.err, "of an earlier run")) << better.err;
    const ProcessResult worse = workspace_.run("ql-finetune", run + eval +
                                                                  "-d {unlike.jsonl} -o {b.gguf} --steps 20 "
                                                                  "--eval-every 5 --init-adapter {a.gguf}");
    EXPECT_EQ(0, worse.code) << worse.err;
    EXPECT_TRUE(has(worse.err, "warning: no evaluation was below the one before training")) << worse.err;
    EXPECT_TRUE(has(worse.out, "no better than before training)"))
        << worse.out;  // which one is best differs by compute
    const ProcessResult again = workspace_.run("ql-finetune", run + eval + "-d {data.jsonl} -o {a.gguf} --steps 2");
    EXPECT_TRUE(has(again.err,
                    "a.best.gguf is the best adapter of an earlier run; the first evaluation of this one "
                    "replaces it"))
        << again.err;
    const ProcessResult none = workspace_.run("ql-finetune", run + "-d {data.jsonl} -o {a.gguf} --steps 2");
    EXPECT_TRUE(has(none.err, "it stays, as this one evaluates nothing")) << none.err;
}

TEST_F(TrainingOptions, AnEarlyEndSaysHowItGoesOn) {
    const std::string run =
        "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lr 1e-9 --steps 60 "
        "--eval-data {data.jsonl} --eval-every 2 --early-stop ";
    const ProcessResult gone = workspace_.run("ql-finetune", run + "1");
    EXPECT_EQ(0, gone.code) << gone.err;
    EXPECT_TRUE(has(gone.err, "ended    early: 1 evaluation without")) << gone.err;
    EXPECT_TRUE(has(gone.err, "with --keep-checkpoints it could go on by --resume auto")) << gone.err;
    const ProcessResult kept = workspace_.run("ql-finetune", run + "1 --keep-checkpoints");
    EXPECT_TRUE(has(kept.err, "with a larger --early-stop, --resume auto goes on with it")) << kept.err;
    const ProcessResult over = workspace_.run("ql-finetune", run + "1 --resume auto");
    EXPECT_TRUE(has(over.err, "the run has ended early, after step ")) << over.err;
    const ProcessResult longer = workspace_.run("ql-finetune", run + "3 --resume auto");
    EXPECT_EQ(0, longer.code) << longer.err;
    EXPECT_TRUE(has(longer.err, "goes on  after its early end")) << longer.err;
}

TEST_F(TrainingOptions, ADryRunChecksWhatTheRunWillWrite) {
    const std::string run = "-m {model.gguf} -d {data.jsonl} --ctx 64 --dry-run ";
    expect_refused(run + "-o {folder}", {"-o: ", "folder"});
    expect_refused(run + "-o {model.gguf}", {"-o: ", "is the input of -m and would be overwritten"});
    expect_refused(run + "-o {a.gguf} --metrics {a.gguf}", {"--metrics: ", "is written by -o already"});
    expect_refused(run + "--metrics {data.jsonl}", {"--metrics: ", "is the input of -d"});
    expect_refused(run + "--checkpoint-dir {text.txt}", {"--checkpoint-dir: ", "is not a folder"});
    said("-d {data.jsonl}");
}

TEST_F(TrainingOptions, NoFileTakesThePlaceOfAnotherKind) {
    workspace_.write("notes.txt", "not to be lost\n");
    workspace_.write("empty", "");
    const std::string train = "-m {model.gguf} -d {data.jsonl} --ctx 64 --steps 1 --grad-accum 1 --lora-r 2 -q ";
    ASSERT_EQ(0, workspace_.run("ql-finetune", train + "-o {a.gguf}").code);
    ASSERT_EQ(0, workspace_.run("ql-quantize", "-q {model.gguf} {small.gguf} q8_0").code);
    const struct {
        const char *program, *line, *says;
    } cases[] = {
        {"ql-finetune", "-m {model.gguf} -d {data.jsonl} -o {small.gguf}",
         "is a model, and would be overwritten by an adapter"},
        {"ql-finetune", "-m {model.gguf} -d {data.jsonl} -o {notes.txt}", "is no GGUF file, and would be"},
        {"ql-finetune", "-m {model.gguf} -d {data.jsonl} -o {b.gguf} --metrics {a.gguf}",
         "is an adapter, and would be"},
        {"ql-quantize", "{model.gguf} {a.gguf} q8_0", "is an adapter, and would be overwritten by a model"},
        {"ql-adapter", "merge -m {model.gguf} --lora {a.gguf} -o {notes.txt}", "is no GGUF file, and would be"},
        {"ql-adapter", "resize {a.gguf} --rank 1 -o {small.gguf}",
         "is a model, and would be overwritten by an adapter"},
        {"ql-perplexity", "-m {model.gguf} -d {data.jsonl} --exact --predictions {small.gguf}",
         "is a model, and would be"},
    };
    const auto before = workspace_.content();
    for (const auto & c : cases) {
        const ProcessResult r = workspace_.run(c.program, c.line);
        EXPECT_EQ(2, r.code) << c.line << r.err;
        EXPECT_TRUE(has(r.err, c.says)) << c.line << r.err;
    }
    EXPECT_EQ(before, workspace_.content());
    EXPECT_EQ(0, workspace_.run("ql-finetune", train + "-o {a.gguf}").code) << "its own kind is replaced";
    EXPECT_EQ(0, workspace_.run("ql-quantize", "-q {model.gguf} {small.gguf} nf4").code);
    EXPECT_EQ(0, workspace_.run("ql-quantize", "-q {model.gguf} {empty} nf4").code) << "a name that mktemp made";
}

TEST_F(TrainingOptions, WhatWouldDoNothingIsRefused) {
    const std::string run = "-m {model.gguf} -d {data.jsonl} --ctx 64 -o {a.gguf} ";
    expect_refused(run + "--decay 0.5", {"--decay", "--schedule cosine", "wsd"});
    expect_refused(run + "--lr-floor 0.5 --schedule constant", {"--lr-floor", "constant"});
    said("-d {data.jsonl} --decay 0.5 --schedule wsd");
    said("-d {data.jsonl} --lr-floor 0 --schedule constant");
}

TEST_F(TrainingOptions, PartsOfAScheduleThatDoNotFitAreSaid) {
    const std::string run = "-m {model.gguf} -d {data.jsonl} --ctx 64 --grad-accum 1 --dry-run --steps 20 ";
    const auto err = [&](const std::string & more) { return workspace_.run("ql-finetune", run + more).err; };
    EXPECT_TRUE(has(err("--warmup 500"), "warning: --warmup: 500 steps, the schedule has 20")) << err("--warmup 500");
    EXPECT_TRUE(has(err("--schedule wsd --decay 30"), "warning: --decay: 30 steps and 1 of warm-up")) << err("");
    for (const char * fits :
         {"", "--warmup 19", "--warmup 0.99", "--schedule wsd --decay 19", "--schedule wsd --decay 0.9"})
        EXPECT_FALSE(has(err(fits), "warning: --")) << fits << err(fits);
}

TEST_F(TrainingOptions, TheDataLineSaysWhatIsDroppedAndWhatGetsNoTemplate) {
    workspace_.write("raw.jsonl", R"({"prompt": "a", "completion": "b"})"
                                  "\n"
                                  R"({"question": "a", "answer": "b"})"
                                  "\n");
    const std::string raw = said("-d {raw.jsonl} --chat-template chatml");
    EXPECT_TRUE(has(raw, "; 1 without the chat template, as prompt and completion are raw")) << raw;
    EXPECT_FALSE(has(said("-d {data.jsonl}"), "without the chat template"));
    workspace_.write("long.jsonl", R"({"question": ")" + std::string(200, 'a') +
                                       R"(", "answer": "b"})"
                                       "\n" +
                                       R"({"question": "a", "answer": "b"})"
                                       "\n");
    const std::string cut = said("-d {long.jsonl}"), drop = said("-d {long.jsonl} --long drop");
    EXPECT_TRUE(has(cut, "; 1 dropped: cut to --ctx, nothing was left of the answer; a larger --ctx keeps it")) << cut;
    EXPECT_TRUE(has(drop, "; 1 dropped: longer than --ctx")) << drop;
    workspace_.write("heads.csv", "Question, Answer\na,b\n");
    EXPECT_TRUE(has(said("-d {heads.csv}"), "heads.csv: 1 samples"));
}

/// A step of a tiny model takes less than a second.
TEST_F(TrainingOptions, TheExpectedTimeOfAStepHasADigit) {
    const std::string out = workspace_.run("ql-finetune", "-m {model.gguf} --ctx 64 --dry-run -d {data.jsonl}").out;
    const size_t at = out.find("expected, a step");
    ASSERT_NE(at, out.npos) << out;
    EXPECT_EQ(out.find(" 0 s", at), out.npos) << out;
}

TEST_F(TrainingOptions, PlainTextHasNoColumns) {
    expect_refused("-m {model.gguf} -d {text.txt} -o {a.gguf} --columns text=b", {"--columns", "text.txt"});
    const ProcessResult r = workspace_.run("ql-perplexity", "-m {model.gguf} -d {text.txt} --columns text=b");
    EXPECT_EQ(2, r.code);
    EXPECT_TRUE(has(r.err, "--columns has no meaning")) << r.err;
}

TEST_F(TrainingOptions, ListsAddUp) {
    expect_refused("-m {model.gguf} -d {data.jsonl} -o {a.gguf} --train-on last --train-on all", {"all stands alone"});
    expect_refused("-m {model.gguf} -d {data.jsonl} -o {a.gguf} --lora-layers 0 --lora-layers 77", {"77"});
    const std::string columns = "-m {model.gguf} -d {data.jsonl} -o {a.gguf} --columns question=a --columns ";
    expect_refused(columns + "question=b", {"'question' is given twice"});
    expect_refused(columns + "nothing=b", {"'nothing' is unknown"});
}

TEST_F(TrainingOptions, AnExportTakesNothingOfARun) {
    ASSERT_EQ(0, workspace_
                     .run("ql-finetune",
                          "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --steps 2 "
                          "--grad-accum 1 --lora-r 4 --keep-checkpoints")
                     .code);
    const std::string from = "--export-from {a.gguf.ckpt} -o {b.gguf} ";
    expect_refused(from + "--lora-r 8", {"--lora-r has no meaning with --export-from"});
    expect_refused(from + "-d {data.jsonl}", {"-d has no meaning"});
    expect_refused(from + "--no-packing", {"packing has no meaning"});
    expect_refused(from + "--metrics {m.jsonl}", {"--metrics has no meaning", "trains nothing"});
    workspace_.write("run.toml", "lora-r = 8\n");  // of the run that made the checkpoint
    const ProcessResult r = workspace_.run("ql-finetune", from + "-q -m {model.gguf} --force --config {run.toml}");
    const std::string how = "-t 1 --device cpu --compute f32 --memory 1GiB --spill " + workspace_.path("folder");
    EXPECT_EQ(0, workspace_.run("ql-finetune", from + how).code) << "how it works is no part of what is written";
    EXPECT_EQ(0, r.code) << r.err;
}

}  // namespace
}  // namespace ql::test
