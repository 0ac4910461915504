// What the programs do when all goes well: their files, their JSON, resuming, interrupts, chats in a pipe.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "programs/workspace.hpp"
#include "ql/gguf.h"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

using Json = nlohmann::ordered_json;

Json parse(const ProcessResult & r) {
    const Json json = Json::parse(r.out, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << r.out << r.err;
    return json;
}

std::vector<std::string> keys(const Json & object) {
    std::vector<std::string> names;
    for (const auto & item : object.items()) names.push_back(item.key());
    return names;
}

constexpr const char * kTrain = "-m {model.gguf} -d {data.jsonl} --ctx 64 --grad-accum 1 --lora-r 4 --lr 0.01 ";

class Works : public testing::Test {
  protected:
    ProcessResult must(const std::string & program, const std::string & line,
                       const ProcessOptions & options = {}) const {
        ProcessResult r = workspace_.run(program, line, options);
        EXPECT_EQ(0, r.code) << show_command(program, workspace_.arguments(line)) << "\n" << r.err;
        return r;
    }
    std::string read(const std::string & name) const { return read_all(workspace_.path(name)); }
    bool exists(const std::string & name) const { return std::filesystem::exists(workspace_.path(name)); }
    Workspace workspace_;
};

TEST_F(Works, FinetuneLearnsAndReportsIt) {
    const ProcessResult r = must(
        "ql-finetune", std::string(kTrain) +
                           "-o {a.gguf} --steps 30 --eval-data {data.jsonl} --metrics {m.jsonl} --plot {p.png} --json");
    const Json json = parse(r);
    EXPECT_EQ(keys(json), (std::vector<std::string>{"steps",
                                                    "tokens",
                                                    "seconds",
                                                    "tok_s",
                                                    "loss_first",
                                                    "loss_last",
                                                    "eval_before",
                                                    "eval_after",
                                                    "eval_best",
                                                    "best",
                                                    "planned_peak_bytes",
                                                    "peak_rss_bytes",
                                                    "adapter",
                                                    "device",
                                                    "isa",
                                                    "base_type",
                                                    "resumed_from",
                                                    "interrupted",
                                                    "checkpoint",
                                                    "grad_accum",
                                                    "epochs",
                                                    "lr",
                                                    "read_bytes_per_step",
                                                    "batch_groups",
                                                    "batches_side_by_side",
                                                    "recomputed_layers",
                                                    "spill_bytes",
                                                    "spill_read_bytes_per_step",
                                                    "spill_written_bytes_per_step",
                                                    "expected_step_seconds",
                                                    "expected_product_seconds",
                                                    "expected_read_seconds",
                                                    "bound_by"}));
    EXPECT_EQ(30, json["steps"]);
    EXPECT_LT(json["loss_last"].get<double>(), json["loss_first"].get<double>() - 0.5);
    EXPECT_LT(json["eval_after"].get<double>(), json["eval_before"].get<double>() - 0.5);
    EXPECT_EQ("nf4_dq", json["base_type"]);
    EXPECT_TRUE(json["resumed_from"].is_null());
    EXPECT_TRUE(exists("a.gguf") && exists("a.best.gguf"));
    EXPECT_FALSE(exists("a.gguf.ckpt"));
    EXPECT_TRUE(read("p.png").starts_with("\x89PNG"));
    const std::string metrics = read("m.jsonl");
    EXPECT_EQ(30, std::count(metrics.begin(), metrics.end(), '\n'));
    EXPECT_EQ(r.err.npos, r.err.find('\r')) << "a bar where there is no terminal";
}

TEST_F(Works, FinetuneDrawsItsPlan) {
    for (const std::string type : {"png", "svg"})
        must("ql-finetune", std::string(kTrain) + "-o {a.gguf} --dry-run --plot {plan." + type + "}");
    EXPECT_TRUE(read("plan.png").starts_with("\x89PNG"));
    const std::string svg = read("plan.svg");
    EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    for (const std::string part : {">weights<", ">gradient sums<", ">optimizer<", "<rect ", "<path "})
        EXPECT_NE(svg.npos, svg.find(part)) << part;
}

TEST_F(Works, FinetuneStartsAsAskedWhereAsked) {
    for (const std::string init : {"default", "gaussian", "orthogonal", "pissa", "loftq", "eva"}) {
        must("ql-finetune", std::string(kTrain) +
                                "-o {a.gguf} --overwrite --steps 2 --neftune-alpha 5 --lora-layers -1 " +
                                "--lora-rank-pattern attn_q=2 --lora-alpha-pattern ffn_=8 --lora-init " + init);
        const Json json = parse(must("ql-adapter", "info {a.gguf} --json"));
        EXPECT_EQ(7u, json["matrices"].size());
        const int64_t parts = init == "pissa" ? 2 : 1;  // what it began with is there a second time, negative
        for (const Json & m : json["matrices"]) {
            const std::string weight = m["weight"];
            EXPECT_TRUE(weight.starts_with("blk.1.")) << weight;
            EXPECT_EQ(parts * (weight == "blk.1.attn_q.weight" ? 2 : 4), m["r"]) << init << " " << weight;
            EXPECT_GT(m["norm"], 0) << init << " " << weight;
        }
    }
}

TEST_F(Works, FinetuneQuietSaysNothing) {
    const ProcessResult r = must("ql-finetune", std::string(kTrain) + "-o {a.gguf} --steps 2 -q");
    EXPECT_EQ("", r.err);
    EXPECT_NE(r.out.npos, r.out.find("ql-chat -m"));
    EXPECT_NE(r.out.npos, r.out.find("llama-cli -m"));
}

TEST_F(Works, DryRunPrintsThePlanAndWritesNothing) {
    const auto before = workspace_.content();
    const ProcessResult r = must("ql-finetune", std::string(kTrain) + "-o {a.gguf} --dry-run");
    EXPECT_NE(r.out.npos, r.out.find("planned peak"));
    const Json json = parse(must("ql-finetune", std::string(kTrain) + "--dry-run --json"));
    EXPECT_GT(json["planned_peak_bytes"].get<int64_t>(), 100000);
    EXPECT_EQ(before, workspace_.content());
}

TEST_F(Works, ShowDataMarksTheAnswers) {
    const auto before = workspace_.content();
    const ProcessResult r = must("ql-finetune", "-m {model.gguf} -d {data.jsonl} --show-data 2");
    EXPECT_NE(r.out.npos, r.out.find("[[tea x0<|im_end|>"));
    EXPECT_EQ(r.out.npos, r.out.find("[[Order"));
    EXPECT_NE(r.out.npos, r.out.find("sample 2"));
    EXPECT_EQ(r.out.npos, r.out.find("sample 3"));
    EXPECT_EQ(before, workspace_.content());
}

TEST_F(Works, DataMayBeSeveralFilesAFolderOrAPattern) {
    std::filesystem::create_directory(workspace_.path("parts"));
    workspace_.write("parts/1.jsonl", tiny_chats(4));
    workspace_.write("parts/2.jsonl", tiny_chats(3) + "no json\n");
    workspace_.write("parts/readme.md", "of no use");
    const auto shown = [&](const std::string & data) {
        const ProcessResult r = must("ql-finetune", "-m {model.gguf} --skip-bad-lines --json --show-data 100 " + data);
        EXPECT_NE(r.err.npos, r.err.find("skipped  " + workspace_.path("parts/2.jsonl") + ":4: ")) << r.err;
        return parse(r)["samples"];
    };
    const Json all = shown("-d {parts/1.jsonl} -d {parts/2.jsonl}");
    EXPECT_EQ(all.size(), 7u);
    EXPECT_EQ(shown("-d {parts/1.jsonl} {parts/2.jsonl}"), all);
    EXPECT_EQ(shown("-d {parts}"), all);
    EXPECT_EQ(shown("-d {parts/*.jsonl}"), all);
    EXPECT_EQ(parse(must("ql-perplexity", "-m {model.gguf} -d {parts/1.jsonl} -d {parts/1.jsonl} --json"))["tokens"],
              2 * parse(must("ql-perplexity", "-m {model.gguf} -d {parts/1.jsonl} --json"))["tokens"].get<int64_t>());
}

TEST_F(Works, ColumnsOfATableHaveAnyNames) {
    workspace_.write("a.jsonl", "{\"question\": \"red, or blue?\", \"answer\": \"red\"}\n");
    workspace_.write("a.csv", "id,asked,said\n1,\"red, or blue?\",red\n");
    workspace_.write("a.tsv", "said\tasked\nred\tred, or blue?\n");
    const std::string show = "-m {model.gguf} --show-data 1 -d ", columns = " --columns question=asked,answer=said";
    const std::string lines = must("ql-finetune", show + "{a.jsonl}").out;
    EXPECT_NE(lines.npos, lines.find("[[red<|im_end|>")) << lines;
    EXPECT_EQ(lines, must("ql-finetune", show + "{a.csv}" + columns).out);
    EXPECT_EQ(lines, must("ql-finetune", show + "{a.tsv}" + columns).out);
    EXPECT_EQ(lines, must("ql-finetune", show + "{a.csv} --columns question=asked --columns answer=said").out);
    const std::string evaluate = "-m {model.gguf} --json -d ";
    EXPECT_EQ(parse(must("ql-perplexity", evaluate + "{a.jsonl}"))["nll"],
              parse(must("ql-perplexity", evaluate + "{a.csv}" + columns))["nll"]);
    const ProcessResult r = workspace_.run("ql-finetune", show + "{a.csv} --columns question=ask,answer=said");
    EXPECT_EQ(2, r.code);
    EXPECT_NE(r.err.npos, r.err.find("there is no column 'ask'")) << r.err;
}

/// A directory of 16 bits that was trained as nf4_dq is used as it was trained.
TEST_F(Works, ABaseIsUsedAsItWasTrained) {
    const std::string train = "-q -m {hf} -d {data.jsonl} --ctx 64 --grad-accum 1 --lora-r 4 --steps 4 -o {hf.gguf}";
    must("ql-finetune", train + " --base-type nf4_dq --eval-data {data.jsonl} --json");
    must("ql-convert", "{hf} {nf4.gguf} --type nf4_dq");
    const auto nll = [&](const std::string & base) {
        return parse(must("ql-perplexity", base + " --lora {hf.gguf} -d {data.jsonl} -c 64 --json"))["nll"];
    };
    EXPECT_EQ(nll("-m {hf} --base-type nf4_dq"), nll("-m {nf4.gguf}"));
    EXPECT_EQ(nll("-m {hf} --base-type auto"), nll("-m {nf4.gguf}"));
    EXPECT_NE(nll("-m {hf}"), nll("-m {nf4.gguf}"));
    const std::string say = " -p hello -n 4 --temp 0";
    EXPECT_EQ(must("ql-chat", "-m {hf} --base-type nf4_dq" + say).out, must("ql-chat", "-m {nf4.gguf}" + say).out);
    for (const char * program :
         {"ql-chat -p hello -n 1", "ql-perplexity -f {text.txt}", "ql-finetune -d {data.jsonl} --dry-run"}) {
        const std::string words = program, name = words.substr(0, words.find(' '));
        const auto run = [&](const std::string & base) {
            return must(name, words.substr(name.size()) + " -m {nf4.gguf} --ctx 64 --base-type " + base).err;
        };
        EXPECT_NE(run("q8_0").find("rounded a second time, from nf4_dq to q8_0"), std::string::npos) << name;
        EXPECT_EQ(run("f16").find("rounded a second time"), std::string::npos) << name;
        EXPECT_EQ(run("keep").find("rounded a second time"), std::string::npos) << name;
    }
    const ProcessResult r = workspace_.run("ql-chat", "-m {hf} -p hello --base-type q5_1");
    EXPECT_EQ(2, r.code);
    EXPECT_NE(r.err.find("--base-type: q5_1 can be read only"), std::string::npos) << r.err;
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

TEST_F(Works, ConfigFileSaysTheSameAsTheCommandLine) {
    workspace_.write("run.toml",
                     "steps = 3\nctx = 64\ngrad-accum = 1\nlora-r = 4\nlr = 0.01\nno-shuffle = true\ndata = \"" +
                         workspace_.path("data.jsonl") + "\"\n");
    must("ql-finetune", "-q -m {model.gguf} -o {a.gguf} --config {run.toml}");
    must("ql-finetune", std::string(kTrain) + "-q -o {b.gguf} --steps 3 --no-shuffle");
    EXPECT_TRUE(read("a.gguf") == read("b.gguf")) << "adapters differ";
    workspace_.write("run.toml",
                     "\xEF\xBB\xBF# saved by an editor\r\nstop = [\"#\", 'a, b'] # two texts\r\nn = 3\r\ntemp = 0\r\n"
                     "prompt = \"\"\"one # two, 'three'\"\"\"\r\ndate = 2026-01-02\r\nchat = true\r\n");
    const std::string chat = "-m {model.gguf} --chat-template chatml --json ";
    std::vector<std::string> words = workspace_.arguments(chat + "--stop # -n 3 --temp 0 --chat --date 2026-01-02");
    words.insert(words.end(), {"--stop", "a, b", "-p", "one # two, 'three'"});
    const ProcessResult spoken = run_program("ql-chat", words);
    EXPECT_EQ(0, spoken.code) << spoken.err;
    EXPECT_EQ(parse(must("ql-chat", chat + "--config {run.toml}"))["text"], parse(spoken)["text"]);
}

TEST_F(Works, TheTextOfABuiltInTemplateTravelsWithTheAdapter) {
    workspace_.write("alpaca", "{{ 'a file of that name' }}");
    must("ql-finetune", std::string(kTrain) + "-q -o {a.gguf} --steps 1 --chat-template alpaca");
    ql_gguf * file = nullptr;
    ASSERT_EQ(QL_OK, ql_gguf_open(workspace_.path("a.gguf").c_str(), &file)) << ql_error_message();
    ql_gguf_string text{};
    EXPECT_EQ(QL_OK, ql_gguf_get_string(file, "tokenizer.chat_template", &text)) << ql_error_message();
    const std::string travels(text.data, text.size);
    ql_gguf_close(file);
    EXPECT_NE(travels.npos, travels.find("### Instruction:")) << travels;

    const std::string ask = "-m {model.gguf} --lora {a.gguf} -p hello --chat -n 1 --json --logprobs 1 --temp 0";
    const Json by_adapter = parse(must("ql-chat", ask))["logprobs"];
    EXPECT_EQ(by_adapter, parse(must("ql-chat", ask + " --chat-template alpaca"))["logprobs"]);
    EXPECT_NE(by_adapter, parse(must("ql-chat", ask + " --chat-template chatml"))["logprobs"]);
}

TEST_F(Works, FinetuneNotesWhatLlamaCppWouldServeOtherwise) {
    workspace_.write("carried",
                     "{% for m in messages %}\n{% if loop.first %}{% set p = 'P' %}{% endif %}\n{{ p }}{{ m.role }}: "
                     "{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}");
    const std::string show = "-m {model.gguf} -d {data.jsonl} --ctx 128 --show-data 1 ";
    const std::string note = "note: chat template, line 3: `p`: llama.cpp keeps";
    const std::string err = must("ql-finetune", show + "--chat-template {carried}").err;
    EXPECT_NE(err.npos, err.find(note)) << err;
    EXPECT_EQ(err.npos, must("ql-finetune", show).err.find("chat template"));
    EXPECT_EQ(err.npos,
              must("ql-perplexity", "-m {model.gguf} -d {data.jsonl} --chat-template {carried}").err.find(note));
    workspace_.write("plain.txt", "the sea and the sand");
    EXPECT_EQ(
        err.npos,
        must("ql-finetune", "-m {model.gguf} -d {plain.txt} --show-data 1 --chat-template {carried}").err.find(note));
}

TEST_F(Works, InterruptSavesAndResumeGivesTheSameAdapter) {
    const std::string line =
        std::string(kTrain) + "--steps 1000 --eval-data {data.jsonl} --eval-every 50 --metrics {m.jsonl} ";
    ProcessOptions options;
    options.interrupt_at = "step 50:";
    const ProcessResult r = workspace_.run("ql-finetune", line + "-o {a.gguf}", options);
    ASSERT_EQ(130, r.code) << r.err;
    EXPECT_NE(r.err.npos, r.err.find("--resume auto")) << r.err;
    EXPECT_EQ("", r.out);
    EXPECT_FALSE(exists("a.gguf"));
    const Json json = parse(must("ql-finetune", line + "-o {a.gguf} --resume auto --json"));
    EXPECT_LT(json["steps"].get<int64_t>(), 1000);
    EXPECT_TRUE(json["resumed_from"].is_string());
    const std::string metrics = read("m.jsonl");
    EXPECT_EQ(1000, std::count(metrics.begin(), metrics.end(), '\n'));
    must("ql-finetune", std::string(kTrain) + "--steps 1000 --eval-data {data.jsonl} --eval-every 50 -q -o {b.gguf}");
    EXPECT_TRUE(read("a.gguf") == read("b.gguf")) << "adapters differ";
}

TEST_F(Works, ResumeAutoWithoutACheckpointStartsANewRun) {
    const std::string err = must("ql-finetune", std::string(kTrain) + "-o {a.gguf} --steps 2 --resume auto").err;
    EXPECT_TRUE(exists("a.gguf"));
    EXPECT_NE(err.npos, err.find("note: --resume: " + workspace_.path("a.gguf.ckpt") +
                                 " holds no checkpoint to go on from; a new run begins"))
        << err;
}

TEST_F(Works, AnAdapterThatGoesOnKeepsItsChatTemplate) {
    must("ql-finetune", "-q -m {model.gguf} -d {data.jsonl} -o {a.gguf} --steps 1 --ctx 128 --chat-template llama3");
    const std::string show = "-m {model.gguf} -d {data.jsonl} --ctx 128 --show-data 1 ";
    const std::string header = "<|start_header_id|>user<|end_header_id|>";
    EXPECT_NE(std::string::npos, must("ql-finetune", show + "--init-adapter {a.gguf}").out.find(header));
    EXPECT_EQ(std::string::npos, must("ql-finetune", show).out.find(header));
    EXPECT_EQ(std::string::npos,
              must("ql-finetune", show + "--init-adapter {a.gguf} --chat-template chatml").out.find(header));
}

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
