// What the other programs do when all goes well: their files, their JSON, chats in a pipe.
#include "programs/works.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

TEST_F(Works, PerplexityFallsWithTheAdapterAndCountsExactAnswers) {
    must("ql-finetune",
         "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --ctx 64 --grad-accum 1 --lora-r 16 --lr 0.003 --epochs 40");
    const Json before = parse(must("ql-perplexity", "-m {model.gguf} -d {data.jsonl} --exact --json"));
    const Json after = parse(must("ql-perplexity", "-m {model.gguf} --lora {a.gguf} -d {data.jsonl} --exact --json"));
    EXPECT_EQ(keys(after), (std::vector<std::string>{"nll", "ppl", "tokens", "tok_s", "exact"}));
    EXPECT_LT(after["nll"].get<double>(), before["nll"].get<double>() / 2);
    EXPECT_NEAR(after["ppl"].get<double>(), std::exp(after["nll"].get<double>()), 1e-6);
    EXPECT_EQ(0, before["exact"]);
    EXPECT_GT(after["exact"].get<double>(), 0.8) << after;
    const Json none = parse(must("ql-perplexity", "-m {model.gguf} --lora {a.gguf}:0.0001 -d {data.jsonl} --json"));
    EXPECT_NEAR(none["nll"].get<double>(), before["nll"].get<double>(), 0.01);
    EXPECT_TRUE(none["exact"].is_null());
}

TEST_F(Works, PerplexityOfATextIsNearChanceForARandomModel) {
    const Json json = parse(must("ql-perplexity", "-m {model.gguf} -f {text.txt} -c 64 --stride 32 --json"));
    EXPECT_GT(json["nll"].get<double>(), 3);
    EXPECT_LT(json["nll"].get<double>(), 12);
    EXPECT_GT(json["tokens"].get<int64_t>(), 300);
}

TEST_F(Works, PerplexityCountsAsLlamaCppDoes) {
    const Json json = parse(must("ql-perplexity", "-m {model.gguf} -f {text.txt} -c 64 --count llama.cpp --json"));
    EXPECT_GT(json["nll"].get<double>(), 3);
    EXPECT_GT(json["tokens"].get<int64_t>(), 100);
    EXPECT_EQ(json["tokens"].get<int64_t>() % 31, 0);  // of 64 the predictions after the first half
    for (const char * line :
         {"-m {model.gguf} -f {text.txt} -c 64 --count llama.cpp --stride 8",
          "-m {model.gguf} -d {data.jsonl} --count llama.cpp", "-m {model.gguf} -f {text.txt} --count all"}) {
        const ProcessResult r = workspace_.run("ql-perplexity", line);
        EXPECT_EQ(2, r.code) << line << "\n" << r.err;
        EXPECT_NE(r.err.npos, r.err.find("--count")) << r.err;
    }
}

TEST_F(Works, PredictionsAreKept) {
    workspace_.write("few.jsonl", tiny_chats(7));
    const ProcessResult r =
        must("ql-perplexity", "-m {model.gguf} -d {few.jsonl} --exact --predictions {p.jsonl} --json");
    std::istringstream lines(read("p.jsonl"));
    int n = 0, right = 0;
    std::vector<double> nll, wrong;
    for (std::string line; std::getline(lines, line);) {
        const Json p = Json::parse(line);
        EXPECT_EQ(keys(p), (std::vector<std::string>{"sample", "input", "expected", "got", "exact", "cut", "nll"}));
        nll.push_back(p["nll"]);
        if (!p["exact"].get<bool>()) wrong.push_back(nll.back());
        EXPECT_EQ(++n, p["sample"]);
        EXPECT_EQ(p["exact"].get<bool>(), p["expected"] == p["got"]);
        EXPECT_NE(p["input"].get<std::string>().find("Order"), std::string::npos);
        right += p["exact"].get<bool>();
    }
    EXPECT_EQ(7, n);
    EXPECT_DOUBLE_EQ(right / 7.0, parse(r)["exact"].get<double>());
    int shown = 0;
    for (size_t at = r.err.find("  wanted  "); at != r.err.npos; at = r.err.find("  wanted  ", at + 1)) ++shown;
    EXPECT_EQ(5, shown) << r.err;
    std::sort(wrong.rbegin(), wrong.rend());
    size_t at = 0;
    for (size_t i = 0; i < 5; ++i) {
        char figure[32];
        std::snprintf(figure, sizeof figure, ", nll %.4f\n", wrong[i]);
        ASSERT_NE(at = r.err.find(figure, at), r.err.npos) << "the worst first: " << i << "\n" << r.err;
    }
    const std::string all = read("few.jsonl"), first = all.substr(0, all.find('\n') + 1);
    workspace_.write("first.jsonl", first);
    const Json alone = parse(must("ql-perplexity", "-m {model.gguf} -d {first.jsonl} --json"));
    EXPECT_NEAR(nll[0], alone["nll"].get<double>(), 1e-5);
}

TEST_F(Works, ChatGivesLogprobsThatAddUp) {
    const Json json = parse(must("ql-chat", "-m {model.gguf} -p hello -n 3 --temp 0 --logprobs 5 --json"));
    EXPECT_EQ(keys(json), (std::vector<std::string>{"text", "tokens", "prompt_tok_s", "generation_tok_s", "logprobs"}));
    ASSERT_GE(json["logprobs"].size(), 1u);
    const Json & first = json["logprobs"][0];
    EXPECT_EQ(keys(first), (std::vector<std::string>{"id", "token", "logprob", "top"}));
    ASSERT_EQ(5u, first["top"].size());
    EXPECT_EQ(first["id"], first["top"][0]["id"]);
    EXPECT_GE(first["top"][0]["logprob"].get<double>(), first["top"][1]["logprob"].get<double>());
    double sum = 0;
    for (const Json & t : first["top"]) sum += std::exp(t["logprob"].get<double>());
    EXPECT_GT(sum, 0);
    EXPECT_LE(sum, 1 + 1e-6);
}

TEST_F(Works, ChatIsTheSameForTheSameSeed) {
    const std::string line = "-m {model.gguf} -p hello -n 12 --temp 1 --top-k 0 --min-p 0 --top-p 1 --seed ";
    const std::string one = must("ql-chat", line + "7").out;
    EXPECT_EQ(one, must("ql-chat", line + "7").out);
    EXPECT_NE(one, must("ql-chat", line + "8").out);
}

TEST_F(Works, ChatTalksInAPipe) {
    ProcessOptions options;
    options.input = "hello\nand again\n/exit\nnever read\n";
    const ProcessResult r = must("ql-chat", "-m {model.gguf} -n 4 --temp 0", options);
    EXPECT_GE(std::count(r.out.begin(), r.out.end(), '\n'), 2);
    EXPECT_EQ(r.out.npos, r.out.find("> "));
}

TEST_F(Works, ChatForgetsOldTurnsRatherThanStop) {
    ProcessOptions options;
    for (int i = 0; i < 12; ++i)
        options.input += "tell me about the town and the sea, please, number " + std::to_string(i) + "\n";
    const ProcessResult r = must("ql-chat", "-m {model.gguf} -n 4 -c 128 --temp 0", options);
    EXPECT_NE(r.err.npos, r.err.find("forgotten"));
}

TEST_F(Works, ChatLeavesOutAMessageLongerThanTheContextAndGoesOn) {
    const std::string line = "-m {model.gguf} -n 4 -c 128 --temp 0 -q";
    ProcessOptions options, without;
    options.input = "hello\n" + std::string(400, 'z') + "\nand again\n";
    without.input = "hello\nand again\n";
    const ProcessResult r = workspace_.run("ql-chat", line, options);
    EXPECT_EQ(2, r.code) << "something was not answered: " << r.err;
    EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
    EXPECT_NE(r.err.npos, r.err.find("the context holds 128")) << r.err;
    EXPECT_EQ(r.out, must("ql-chat", line, without).out) << "as if it had never been said";
}

TEST_F(Works, ChatReadsLinesThatEndAsOnWindows) {
    const std::string line = "-m {model.gguf} -n 4 --temp 0";
    ProcessOptions unix_lines, windows;
    unix_lines.input = "hello\n";
    windows.input = "hello\r\n\r\n /exit \r\nnever read\r\n";
    EXPECT_EQ(must("ql-chat", line, windows).out, must("ql-chat", line, unix_lines).out);
}

TEST_F(Works, AnAdapterOfScaleZeroChangesNothing) {
    must("ql-finetune", std::string(kTrain) + "-q -o {a.gguf} --steps 20");
    const std::string ask = "-m {model.gguf} -p hello -n 1 --temp 0 --logprobs 5 --json --compute f32";
    const Json base = parse(must("ql-chat", ask))["logprobs"];
    EXPECT_EQ(base, parse(must("ql-chat", ask + " --lora {a.gguf}:0"))["logprobs"]);
    EXPECT_NE(base, parse(must("ql-chat", ask + " --lora {a.gguf}"))["logprobs"]);
}

TEST_F(Works, QuantizeShrinksAndReportsTheError) {
    const Json json = parse(must("ql-quantize", "{model.gguf} {q.gguf} nf4_dq --json"));
    EXPECT_GT(json["ratio"].get<double>(), 3);
    for (const Json & kind : json["kinds"])
        if (kind["to"] == "nf4_dq") {
            EXPECT_NEAR(kind["error"].get<double>(), 0.092, 0.03);
        }
    EXPECT_LT(std::filesystem::file_size(workspace_.path("q.gguf")) * 3,
              std::filesystem::file_size(workspace_.path("model.gguf")));
    must("ql-chat", "-m {q.gguf} -p hello -n 2");
    EXPECT_NE(std::string::npos,
              must("ql-quantize", "{model.gguf} {q.gguf} q8_0 -v").err.find("blk.1.ffn_down.weight"));
}

TEST_F(Works, QuantizeWithSearchedScalesLeavesLessError) {
    const Json plain = parse(must("ql-quantize", "{model.gguf} {q.gguf} nf4 --json"));
    const Json searched = parse(must("ql-quantize", "{model.gguf} {s.gguf} nf4 --search --json"));
    EXPECT_EQ(plain["search"], false);
    EXPECT_EQ(searched["search"], true);
    ASSERT_EQ(plain["kinds"].size(), searched["kinds"].size());
    int n_less = 0;
    for (size_t i = 0; i < plain["kinds"].size(); ++i) {
        const Json &before = plain["kinds"][i], &after = searched["kinds"][i];
        if (before["to"] == "nf4") {
            EXPECT_LT(after["error"].get<double>(), before["error"].get<double>());
            ++n_less;
        } else {
            EXPECT_EQ(after["error"], before["error"]);
        }
    }
    EXPECT_EQ(n_less, 7);
    must("ql-chat", "-m {s.gguf} -p hello -n 2");
    must("ql-finetune", std::string(kTrain) + "-q -o {a.gguf} --steps 2 --base-type nf4_dq --search");
}

TEST_F(Works, QuantizeInterruptedLeavesNoFile) {
    TinyModelOptions large;  // about a second of work
    large.n_embd = 512, large.n_ff = 1536, large.n_layer = 8, large.n_head = 8;
    write_tiny_model(workspace_.path("large.gguf"), large);
    write_tiny_model(workspace_.path("q.gguf"), {});  // an older file
    const auto before = workspace_.content();
    ProcessOptions options;
    options.interrupt_at = "token_embd.weight";
    const ProcessResult r = workspace_.run("ql-quantize", "{large.gguf} {q.gguf} nf4_dq -v", options);
    EXPECT_EQ(130, r.code) << r.err;
    EXPECT_EQ("", r.out);
    EXPECT_NE(r.err.npos, r.err.find("ql-quantize: " + workspace_.path("large.gguf") + ": stopped after ")) << r.err;
    EXPECT_EQ(before, workspace_.content());
}

TEST_F(Works, BenchGivesFiguresOfTheContractsShape) {
    for (const char * line : {"peak --json -t 1", "op mul_mat --type nf4_dq --shape 64,96,32 --json -t 1",
                              "op attention_back --shape 128,1,16 --json -t 1", "op add --shape 64,1,16 --json -t 1",
                              "train -m {model.gguf} --ctx 64 --steps 2 --json -t 1",
                              "train -m {model.gguf} --ctx 64 --steps 2 --lora-type miss --lora-r 3 --json -t 1",
                              "infer -m {model.gguf} --prompt 16 --generate 4 --json -t 1"}) {
        const Json list = parse(must("ql-bench", line));
        ASSERT_TRUE(list.is_array() && !list.empty()) << line;
        for (const Json & f : list) {
            EXPECT_EQ(keys(f), (std::vector<std::string>{"name", "shape", "median", "min", "unit", "of_peak"}));
            EXPECT_GT(f["median"].get<double>(), 0);
            EXPECT_LE(f["min"].get<double>(), f["median"].get<double>());
        }
        if (std::string(line).starts_with("op ")) {
            EXPECT_EQ(std::string(line).starts_with("op add") ? "GB/s" : "GFLOP/s", list[0]["unit"]) << line;
        }
    }
}

TEST_F(Works, DoctorFindsEveryKernelSound) {
    const Json json = parse(must("ql-doctor", "--json"));
    EXPECT_EQ(0, json["failed"]);
    EXPECT_GT(json["kernels"].size(), 15u);
    ProcessOptions options;
    options.environment = {"QL_ISA=scalar"};
    EXPECT_EQ("scalar", parse(must("ql-doctor", "--quick --json", options))["isa"]);
}

TEST_F(Works, HelpHasExamplesAndVersionIsTold) {
    for (const char * program : {"ql-finetune", "ql-chat", "ql-quantize", "ql-convert", "ql-perplexity", "ql-bench",
                                 "ql-doctor", "ql-adapter", "ql-plot"}) {
        const std::string help = must(program, "--help").out;
        EXPECT_NE(help.npos, help.find("Examples:")) << program;
        EXPECT_TRUE(must(program, "--version").out.starts_with(std::string(program) + " ")) << program;
    }
}

TEST_F(Works, FullDiskOnStdoutIsAFailure) {
    if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
    const std::string command = std::string(QL_BINARY_DIR) + "/bin/ql-quantize --json -q " +
                                workspace_.path("model.gguf") + " " + workspace_.path("q.gguf") +
                                " q8_0 > /dev/full 2> /dev/null";
    EXPECT_NE(0, std::system(command.c_str()));
}

}  // namespace
}  // namespace ql::test
