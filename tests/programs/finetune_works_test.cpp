// What ql-finetune does when all goes well: its files, its JSON, plans, data in many files, resuming, interrupts.
#include "programs/works.hpp"

#include <algorithm>

#include "ql/gguf.h"
#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

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

}  // namespace
}  // namespace ql::test
