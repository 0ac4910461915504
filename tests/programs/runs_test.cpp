// Runs of ql-finetune: which files of other runs they leave alone, how they end when they diverge, how they go on.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "programs/workspace.hpp"
#include "ql/os.h"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

namespace fs = std::filesystem;

constexpr const char * kSpoken = "-m {model.gguf} -d {data.jsonl} --ctx 64 --grad-accum 1 --lora-r 4 ";
const std::string kRun = std::string(kSpoken) + "-o {a.gguf} ";

class Runs : public testing::Test {
  protected:
    /// A short run to a.gguf, with its metrics in m.jsonl.
    ProcessResult run(const std::string & more) const {
        return workspace_.run(
            "ql-finetune", "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 4 " + more);
    }
    void expect_done(const std::string & more) const {
        const ProcessResult r = run(more);
        EXPECT_EQ(0, r.code) << more << "\n" << r.err;
    }
    /// One line that has all of `words`; nothing of the folder changes.
    void expect_ends(int code, const ProcessResult & r, const std::vector<std::string> & words) const {
        EXPECT_EQ(code, r.code) << r.err;
        EXPECT_EQ("", r.out);
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        for (const std::string & word : words) EXPECT_NE(r.err.find(word), std::string::npos) << word << "\n" << r.err;
    }
    void expect_refused(const std::string & more, const std::vector<std::string> & words) const {
        const auto before = workspace_.content();
        expect_ends(2, run(more), words);
        EXPECT_EQ(before, workspace_.content());
    }
    /// Begins a run and stops it once it has trained for a while.
    void stop_at_step(const std::string & out, const std::string & more) const {
        ProcessOptions options;
        options.interrupt_at = "step 20:";
        const ProcessResult r = workspace_.run(
            "ql-finetune", std::string(kSpoken) + "--eval-data {data.jsonl} --eval-every 20 -o {" + out + "} " + more,
            options);
        EXPECT_EQ(130, r.code) << r.err;
        EXPECT_NE(r.err.npos, r.err.find("finishing this batch, then saving; again to quit without saving")) << r.err;
    }
    std::string newest(const std::string & folder) const {
        std::string last;
        for (const auto & entry : fs::directory_iterator(workspace_.path(folder)))
            last = std::max(last, entry.path().filename().string());
        return folder + "/" + last;
    }
    std::string read(const std::string & name) const { return read_all(workspace_.path(name)); }
    bool exists(const std::string & name) const { return fs::exists(workspace_.path(name)); }
    int64_t lines(const std::string & name) const {
        const std::string text = read(name);
        return std::count(text.begin(), text.end(), '\n');
    }
    static std::string line(const std::string & text, int64_t i) {
        std::istringstream all(text);
        std::string found;
        for (int64_t n = 0; n <= i; ++n) std::getline(all, found);
        return found;
    }
    /// One bit of a file's byte, counted from its end.
    void flip(const std::string & name, size_t from_end) const {
        std::string bytes = read(name);
        bytes[bytes.size() - from_end] ^= 1;
        workspace_.write(name, bytes);
    }
    Workspace workspace_;
};

TEST_F(Runs, AFileOfMetricsStaysUnlessItMayGo) {
    workspace_.write("m.jsonl", "notes of somebody\n");
    expect_refused("--steps 3 --metrics {m.jsonl}", {"m.jsonl", "--overwrite"});
    expect_done("--steps 3 --metrics {m.jsonl} --overwrite");
    EXPECT_EQ(3, lines("m.jsonl"));
    expect_refused("--steps 3 --metrics {m.jsonl} --checkpoint-dir {other}", {"m.jsonl", "--overwrite"});
    EXPECT_TRUE(read("m.jsonl").starts_with("{\"step\":1,"));
}

TEST_F(Runs, FoldersOfCheckpointsGoWithThemAndWithARunThatFails) {
    const auto before = workspace_.content();
    ProcessOptions limited;
    limited.in_child = [] {
        const struct rlimit both = {4096, 4096};
        ::setrlimit(RLIMIT_FSIZE, &both);
    };
    const std::string there =
        "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 4 "
        "--steps 2 --save-every 1 --checkpoint-dir {x/y/z} ";
    EXPECT_EQ(1, workspace_.run("ql-finetune", there, limited).code);
    EXPECT_EQ(2, workspace_.run("ql-finetune", there + "--memory 1MiB").code);
    EXPECT_EQ(2, workspace_.run("ql-finetune", there + "--resume {x/y}").code);
    EXPECT_EQ(before, workspace_.content());
    EXPECT_FALSE(exists("x")) << "what a run made and did not use";
    fs::create_directory(workspace_.path("x"));
    EXPECT_EQ(0, workspace_.run("ql-finetune", there).code);
    EXPECT_TRUE(exists("x")) << "it was there before";
    EXPECT_FALSE(exists("x/y"));
    EXPECT_EQ(0, workspace_.run("ql-finetune", there + "--keep-checkpoints --overwrite").code);
    EXPECT_TRUE(exists("x/y/z/step-00000002.gguf"));
}

TEST_F(Runs, AFileOfMetricsBelongsToOneRunAtATime) {
    ql_os_lock * lock = nullptr;
    ASSERT_EQ(QL_OK, ql_os_lock_file(workspace_.path("m.jsonl").c_str(), &lock)) << ql_error_message();
    expect_ends(2, run("--steps 3 --metrics {m.jsonl} --overwrite"),
                {"m.jsonl: in use by process " + std::to_string(::getpid())});
    EXPECT_EQ("", read("m.jsonl"));
    ql_os_unlock_file(lock);
    expect_done("--steps 3 --metrics {m.jsonl}");
}

TEST_F(Runs, ADamagedCheckpointIsNoReasonToBeginAnew) {
    expect_done("--steps 4 --metrics {m.jsonl} --keep-checkpoints");
    fs::remove(workspace_.path("a.gguf"));
    flip("a.gguf.ckpt/step-00000004.gguf", 100);
    expect_refused("--steps 4 --metrics {m.jsonl} --resume auto", {"step-00000004.gguf", "checksum", "--overwrite"});
}

TEST_F(Runs, MoreStepsThanTheRunWasBegunWithNameTheWay) {
    stop_at_step("a.gguf", "--steps 100000");
    const std::string eval = "--eval-data {data.jsonl} --eval-every 20 ";
    expect_refused(eval + "--steps 200000 --resume auto", {"has not ended", "--keep-checkpoints", "step-0"});
    expect_refused(eval + "--steps 50000 --resume auto",
                   {"steps 50000", "100000"});  // fewer steps are another run, too
}

TEST_F(Runs, ARunThatHasEndedGoesOnForLonger) {
    for (const std::string more : {"--epochs 2", "--steps 10"}) {
        const std::string begun = more.starts_with("--epochs") ? "--epochs 1" : "--steps 6";
        expect_done(begun + " --overwrite --keep-checkpoints --metrics {m.jsonl}");
        const int64_t steps = lines("m.jsonl");
        const ProcessResult r = workspace_.run("ql-finetune", kRun + more + " --resume auto --metrics {m.jsonl}");
        EXPECT_EQ(0, r.code) << r.err;
        EXPECT_NE(r.err.npos, r.err.find("the learning rate starts again")) << r.err;
        EXPECT_EQ(r.err.npos, r.err.find("a new run begins")) << r.err;
        EXPECT_NE(r.out.npos, r.out.find(", after " + std::to_string(steps) + " earlier ones")) << r.out;
        const auto last = nlohmann::json::parse(line(read("m.jsonl"), lines("m.jsonl") - 1)),
                   first = nlohmann::json::parse(line(read("m.jsonl"), steps));
        char losses[64];
        std::snprintf(losses, sizeof losses, "%.4f -> %.4f\n", first["loss"].get<double>(), last["loss"].get<double>());
        EXPECT_NE(r.out.npos, r.out.find(losses)) << "of these steps: " << losses << r.out;
        EXPECT_GT(lines("m.jsonl"), steps);
        EXPECT_FALSE(exists("a.gguf.ckpt"));
    }
}

TEST_F(Runs, ARunThatHasEndedLeavesRoomForTheNext) {
    expect_done("--steps 6");
    EXPECT_FALSE(exists("a.gguf.ckpt"));
    expect_done("--steps 6 --keep-checkpoints");
    EXPECT_TRUE(exists("a.gguf.ckpt/step-00000006.gguf"));
    const ProcessResult r = workspace_.run("ql-finetune", kRun + std::string("--steps 3 --keep-checkpoints"));
    EXPECT_EQ(0, r.code) << r.err;
    EXPECT_NE(r.err.npos, r.err.find("starts anew")) << r.err;
    EXPECT_FALSE(exists("a.gguf.ckpt/step-00000006.gguf"));
    fs::remove(
        workspace_.path("a.gguf"));  // as if the disk had been full: what was trained is in the checkpoints alone
    expect_refused("--steps 3", {"--resume auto", "--overwrite"});
}

TEST_F(Runs, AnyStopLeavesAnAdapterThatCanBeUsed) {
    stop_at_step("a.gguf", "--steps 100000 --plot {p.png}");
    EXPECT_TRUE(read("p.png").starts_with("\x89PNG"));
    const std::vector<std::string> places = {"{a.gguf.ckpt}", "{" + newest("a.gguf.ckpt") + "}"};
    for (const std::string & place : places) {
        const ProcessResult made = workspace_.run("ql-finetune", "--export-from " + place + " -o {out.gguf} -q");
        EXPECT_EQ(0, made.code) << made.err;
        const auto nll = [&](const std::string & lora) {
            const ProcessResult r =
                workspace_.run("ql-perplexity", "-q -m {model.gguf} -d {data.jsonl} -c 64 --json --lora " + lora);
            EXPECT_EQ(0, r.code) << r.err;
            return r.code == 0 ? nlohmann::json::parse(r.out)["nll"] : nlohmann::json();
        };
        EXPECT_EQ(nll(place), nll("{out.gguf}"));
        EXPECT_NE(nll(place), nll("{out.gguf}:0"));
    }
    EXPECT_EQ(0, workspace_.run("ql-adapter", "info " + places[0]).code);
    const ProcessResult chat =
        workspace_.run("ql-chat", "-q -m {model.gguf} -p hello -n 2 --lora " + places[0] + ":0.5");
    EXPECT_EQ(0, chat.code) << chat.err;
    const ProcessResult none = workspace_.run("ql-finetune", "--export-from {folder} -o {none.gguf}");
    expect_ends(2, none, {"folder"});
    EXPECT_FALSE(exists("none.gguf"));
    const std::string newest_one = newest("a.gguf.ckpt"), before = read(newest_one);
    expect_ends(2, workspace_.run("ql-finetune", "--export-from {a.gguf.ckpt} -o {" + newest_one + "}"),
                {"lies among the checkpoints"});
    EXPECT_EQ(read(newest_one), before);
}

TEST_F(Runs, ThatTrainNothingDeleteNothing) {
    expect_done("--steps 6 --keep-checkpoints");
    const ProcessResult again = workspace_.run("ql-finetune", kRun + std::string("--steps 6 --resume auto"));
    EXPECT_EQ(0, again.code) << again.err;
    EXPECT_TRUE(exists("a.gguf.ckpt/step-00000006.gguf"));
}

TEST_F(Runs, WithNothingToGoOnFromReplaceNoAdapter) {
    expect_done("--steps 6");
    const std::string before = read("a.gguf");
    expect_refused("--steps 3 --resume auto", {"holds no checkpoint to go on from", "a.gguf", "--overwrite"});
    EXPECT_EQ(read("a.gguf"), before);
    expect_done("--steps 3 --resume auto --overwrite");
    EXPECT_NE(read("a.gguf"), before);
    fs::remove(workspace_.path("a.gguf"));
    expect_done("--steps 3 --resume auto");
    workspace_.write("m.jsonl", "{\"step\":1,\"loss\":1}\n{\"step\":900,\"loss\":1}\n");
    expect_refused("--steps 3 --resume auto --metrics {m.jsonl}",
                   {"m.jsonl: has lines already", "no checkpoint to go on from", "--overwrite"});
}

TEST_F(Runs, ARunThatDivergesKeepsTheLastGoodCheckpoint) {
    const std::string wild = "--lr 1 --lora-alpha 1000 --clip 0 --schedule constant --warmup 0 --steps 200 ";
    const ProcessResult r = run(wild + "--save-every 1 --metrics {m.jsonl}");
    EXPECT_FALSE(exists("a.gguf"));
    int step = 0, good = 0;
    std::istringstream metrics(read("m.jsonl"));
    for (std::string line; std::getline(metrics, line);)
        if (++step; line.find("\"skipped\"") == std::string::npos && nlohmann::json::parse(line)["grad_norm"] != 0)
            good = step;
    ASSERT_GT(good, 0);
    char name[32];
    std::snprintf(name, sizeof name, "step-%08d.gguf", good);
    const std::string last = std::string("a.gguf.ckpt/") + name;
    expect_ends(1, r, {"diverged", "(10 in a row)", "--lr", last});
    EXPECT_TRUE(exists(last));
}

TEST_F(Runs, ALossThatIsNoNumberEndsTheRun) {
    TinyModelOptions o;
    o.norm_scale = 3e38f;
    write_tiny_model(workspace_.path("model.gguf"), o);
    expect_ends(1, run("--steps 40 --base-type keep"), {"diverged", "(10 in a row)"});
    EXPECT_FALSE(exists("a.gguf") || exists("a.gguf.ckpt"));
    expect_ends(1, run("--steps 1 --base-type keep"), {"diverged"});  // too short to diverge ten times
    EXPECT_FALSE(exists("a.gguf") || exists("a.gguf.ckpt"));
    expect_ends(1, run("--steps 40 --base-type keep --eval-data {data.jsonl}"), {"evaluation: the loss is not finite"});
    workspace_.write("choices.jsonl", R"({"question": "a", "choices": ["b", "c"], "answer": 1})");
    for (const char * what : {"-f {text.txt}", "-d {data.jsonl}", "-f {text.txt} --json", "--choices {choices.jsonl}"})
        expect_ends(1, workspace_.run("ql-perplexity", std::string("-q -m {model.gguf} -c 64 ") + what),
                    {"not finite"});
}

TEST_F(Runs, AGradientOfZeroEndsTheRun) {
    TinyModelOptions o;  // the hidden state is finite, its square is not: the next norm makes it all zeros
    o.value_scale = 1e25f;
    write_tiny_model(workspace_.path("model.gguf"), o);
    for (const char * steps : {"--steps 40", "--steps 2"}) {
        const ProcessResult r =
            run(std::string(steps) + " --base-type keep --save-every 1 --metrics {m.jsonl} --overwrite");
        expect_ends(1, r, {"diverged", "gradient is 0"});
        EXPECT_FALSE(exists("a.gguf") || exists("a.gguf.ckpt"));
    }
}

}  // namespace
}  // namespace ql::test
