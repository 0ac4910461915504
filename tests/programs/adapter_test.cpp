// What ql-adapter makes of adapters and models, and that no input is lost.
#include "programs/adapter_program.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>

#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

TEST_F(AdapterProgram, ComposeAddsThemUp) {
    EXPECT_EQ(json("compose {adapter.gguf}:0.25 {adapter.gguf}:0.75 -o {sum.gguf}")["r_max"], 8);
    const Json one = json("info {adapter.gguf}"), sum = json("info {sum.gguf}");
    ASSERT_EQ(one["matrices"].size(), sum["matrices"].size());
    for (size_t i = 0; i < one["matrices"].size(); ++i)
        EXPECT_NEAR(one["matrices"][i]["norm"].get<double>() / sum["matrices"][i]["norm"].get<double>(), 1, 1e-5);
    const Json cut = json("compose {adapter.gguf}:0.25 {adapter.gguf}:0.75 --method svd --rank 2 -o {cut.gguf}");
    EXPECT_EQ(cut["r_min"], 2);
    EXPECT_EQ(workspace_.run("ql-chat", "-q -m {model.gguf} --lora {cut.gguf} -p hello -n 2").code, 0);
}

TEST_F(AdapterProgram, MergesIntoTheModel) {
    const auto nll = [&](const std::string & line) {
        const ProcessResult r = workspace_.run("ql-perplexity", line + " -f {text.txt} -c 64 --compute f32 --json");
        EXPECT_EQ(0, r.code) << r.err;
        return Json::parse(r.out)["nll"].get<double>();
    };
    const Json merged =
        json("merge -m {model.gguf} --lora {adapter.gguf}:2 --lora {adapter.gguf} --type f32 -o {m.gguf}");
    for (const Json & kind : merged["kinds"]) EXPECT_NEAR(kind["least"].get<double>(), 1, 0.01) << kind;
    EXPECT_NEAR(nll("-m {m.gguf}"), nll("-m {model.gguf} --lora {adapter.gguf}:3"), 1e-4);
    EXPECT_GT(std::fabs(nll("-m {m.gguf}") - nll("-m {model.gguf}")), 1e-3);
    EXPECT_NE(out("merge -m {model.gguf} --lora {adapter.gguf} --type nf4 --force -o {m4.gguf}").find("kept"),
              std::string::npos);
}

/// Into few bits the part that survives is said weight by weight.
TEST_F(AdapterProgram, MergesIntoFewBitsLayerByLayer) {
    const std::string line = "merge -m {model.gguf} --lora {adapter.gguf} --type q4_0 --force -o {m4.gguf}";
    EXPECT_NE(out(line).find("kept, layer"), std::string::npos);
    const Json merged = json(line), info = json("info {adapter.gguf}");
    EXPECT_EQ(merged["weights"].size(), info["matrices"].size());
    for (const Json & w : merged["weights"]) EXPECT_EQ(w["to"], "q4_0");
}

TEST_F(AdapterProgram, ExtractsWhatWasMerged) {
    out("merge -m {model.gguf} --lora {adapter.gguf}:50 --type f32 -o {tuned.gguf}");
    const Json got = json("extract -m {model.gguf} --tuned {tuned.gguf} --rank 4 -o {e.gguf}");
    EXPECT_LT(got["left"].get<double>(), 0.01);
    const Json made = json("info {adapter.gguf}"), back = json("info {e.gguf}");
    ASSERT_EQ(made["matrices"].size(), back["matrices"].size());
    EXPECT_NE(out("extract -m {model.gguf} --tuned {tuned.gguf} --rank 1 -o {e.gguf}").find("left"), std::string::npos);
}

TEST_F(AdapterProgram, ResizesAndPrunes) {
    EXPECT_EQ(json("resize {adapter.gguf} --rank 2 -o {small.gguf}")["r_max"], 2);
    EXPECT_EQ(json("info {small.gguf}")["matrices"][0]["r"], 2);
    EXPECT_LE(json("resize {adapter.gguf} --energy 0.5 -o {small.gguf}")["r_min"], 3);
    const Json pruned = json("prune {adapter.gguf} --drop ffn -o {few.gguf}");
    EXPECT_LT(pruned["matrices"].get<int>(), static_cast<int>(json("info {adapter.gguf}")["matrices"].size()));
    EXPECT_GT(pruned["left"].get<double>(), 0);
    EXPECT_NE(out("prune {adapter.gguf} --energy 0.9 -o {few.gguf}").find("all"), std::string::npos);
    EXPECT_EQ(workspace_.run("ql-chat", "-q -m {model.gguf} --lora {few.gguf} -p hello -n 2").code, 0);
    EXPECT_EQ(json("info {few.gguf}")["composed"], "prune, energy 0.9: tiny LoRA");
}

TEST_F(AdapterProgram, WhatIsNoLinearStaysWhenLinearsGo) {
    const ProcessResult r = workspace_.run("ql-finetune",
                                           "-m {model.gguf} -d {data.jsonl} -o {norms.gguf} --steps 1 --ctx 64 "
                                           "--grad-accum 1 --lora-r 4 --train-norms");
    ASSERT_EQ(0, r.code) << r.err;
    out("prune {norms.gguf} --drop ffn -o {few.gguf}");
    const Json all = json("info {norms.gguf}"), few = json("info {few.gguf}");
    EXPECT_GT(all["norms"], 0);
    EXPECT_EQ(few["norms"], all["norms"]);
    EXPECT_NE(out("info {few.gguf}").find("whole, in place of the base's"), std::string::npos);
    refused("resize {norms.gguf} --rank 2 -o {out.gguf}", "has trained norms, which have no rank; merge it (merge)");
    refused("compose {adapter.gguf} {norms.gguf} -o {out.gguf}", "norms.gguf: trained norms replace those of the base");
    refused("merge -m {model.gguf} --lora {norms.gguf}:0.5 -o {out.gguf}", "is merged alone and without a scale");
    refused("merge -m {model.gguf} --lora {adapter.gguf} --lora {norms.gguf} -o {out.gguf}", "it holds trained norms");
}

TEST_F(AdapterProgram, MergesWhatWasTrainedForItWithoutForceAndExactly) {
    const auto train = [&](const std::string & more) {
        const ProcessResult r =
            workspace_.run("ql-finetune",
                           "-m {model.gguf} -d {data.jsonl} --eval-data {data.jsonl} -o {aware.gguf} --overwrite "
                           "--steps 5 --ctx 64 --grad-accum 1 --lora-r 4 --lr 0.01 --json " +
                               more);
        EXPECT_EQ(0, r.code) << r.err;
        return Json::parse(r.out, nullptr, false);
    };
    const double trained = train("--base-type keep --merge-aware=q4_0")["eval_after"];
    EXPECT_EQ(json("info {aware.gguf}")["merge_type"], "q4_0");
    EXPECT_NE(out("info {aware.gguf}").find("trained for one into q4_0\n"), std::string::npos);
    EXPECT_EQ(json("merge -m {model.gguf} --lora {aware.gguf} --type q4_0 -o {m.gguf}")["exact"], true);
    const ProcessResult nll = workspace_.run("ql-perplexity", "-m {m.gguf} -d {data.jsonl} -c 64 --json");
    EXPECT_EQ(Json::parse(nll.out)["nll"].get<double>(), trained);
    EXPECT_NE(out("merge -m {model.gguf} --lora {aware.gguf} --type q4_0 -o {m.gguf}").find("exact: "),
              std::string::npos);

    refused("merge -m {model.gguf} --lora {aware.gguf} --type q4_0 --search -o {m.gguf}",
            "scales by least squared error (search) are not those of the training");
    refused("merge -m {model.gguf} --lora {aware.gguf} --type q8_0 --search -o {m.gguf}", "q8_0 has no search");
    EXPECT_EQ(json("merge -m {model.gguf} --lora {aware.gguf} --type nf4 --search --force -o {m.gguf}")["exact"],
              false);
    EXPECT_EQ(json("merge -m {model.gguf} --lora {aware.gguf} --type q8_0 -o {m.gguf}")["exact"], false);
    refused("merge -m {model.gguf} --lora {aware.gguf} --type nf4 -o {out.gguf}", "or give --force");
    refused("merge -m {model.gguf} --lora {aware.gguf}:0.5 --type q4_0 -o {out.gguf}", "or give --force");

    train("--base-type keep --merge-aware=keep");  // f32, as the model's linears are
    EXPECT_EQ(json("info {aware.gguf}")["merge_type"], "keep");
    EXPECT_EQ(json("merge -m {model.gguf} --lora {aware.gguf} --type keep -o {m.gguf}")["exact"], true);
    EXPECT_EQ(json("merge -m {model.gguf} --lora {aware.gguf} --type f32 -o {m.gguf}")["exact"], false);
    train("--merge-aware");  // of nf4_dq, which loading makes of the model
    refused("merge -m {model.gguf} --lora {aware.gguf} --type nf4_dq -o {out.gguf}",
            "into other weights than those of");
    const ProcessResult quantised =
        workspace_.run("ql-quantize", "{model.gguf} {base.gguf} nf4_dq");  // embeddings as loading makes them, too
    EXPECT_EQ(0, quantised.code) << quantised.err;
    EXPECT_EQ(json("merge -m {base.gguf} --lora {aware.gguf} --type nf4_dq -o {m.gguf}")["exact"], true);
    EXPECT_EQ(json("info {aware.gguf}")["merge_rounding"], "dithered");
    EXPECT_NE(out("info {aware.gguf}").find("trained for one into nf4_dq, dithered\n"), std::string::npos);
    train("--merge-aware --merge-rounding nearest");
    EXPECT_EQ(json("info {aware.gguf}")["merge_rounding"], "");
    EXPECT_EQ(json("merge -m {base.gguf} --lora {aware.gguf} --type nf4_dq -o {m.gguf}")["exact"], true);
    workspace_.write("run.toml", "merge-aware = true\n");
    train("--config {run.toml}");
    EXPECT_EQ(json("info {aware.gguf}")["merge_type"], "nf4_dq");
    workspace_.write("run.toml", "merge-aware = false\n");
    train("--config {run.toml}");
    EXPECT_EQ(json("info {aware.gguf}")["merge_type"], "");
    const ProcessResult alone =
        workspace_.run("ql-finetune", "-m {model.gguf} -d {data.jsonl} -o {alone.gguf} --merge-rounding nearest");
    EXPECT_EQ(2, alone.code);
    EXPECT_NE(alone.err.find("--merge-rounding is of --merge-aware, which is not given"), std::string::npos);
}

TEST_F(AdapterProgram, MakesAPlainLoraOfADora) {
    const ProcessResult trained = workspace_.run("ql-finetune",
                                                 "-m {model.gguf} -d {data.jsonl} -o {dora.gguf} --lora-type dora "
                                                 "--steps 3 --ctx 64 --grad-accum 1 --lora-r 4 --lr 0.02");
    ASSERT_EQ(0, trained.code) << trained.err;
    refused("check --for llama.cpp {dora.gguf}", "to-lora makes a plain LoRA of it");
    const Json few = json("to-lora -m {model.gguf} {dora.gguf} --rank 2 -o {lora.gguf}");
    const Json more = json("to-lora -m {model.gguf} {dora.gguf} --rank 32 -o {lora.gguf}");
    EXPECT_EQ(few["r_max"], 2);
    EXPECT_GT(few["left"].get<double>(), more["left"].get<double>());
    EXPECT_GT(more["left"].get<double>(), 0);
    EXPECT_EQ(json("check --for llama.cpp {lora.gguf}")["llama_cpp"]["loads"], true);
    EXPECT_NE(
        out("to-lora -m {model.gguf} {dora.gguf} -o {lora.gguf}").find("left: the norm of what the adapter lacks"),
        std::string::npos);
    refused("to-lora {dora.gguf} -o {out.gguf}", "--model");
    refused("to-lora -m {model.gguf} {dora.gguf} --rank 65 -o {out.gguf}", "1 to 64 are possible");
    refused("to-lora -m {model.gguf} {dora.gguf} -o {dora.gguf}", "dora.gguf");
    refused("compose {dora.gguf}:0.5 -o {out.gguf}", "dora.gguf: a DoRA scales the rows of its base");
    refused("compose {adapter.gguf} {dora.gguf} -o {out.gguf}", "dora.gguf: a DoRA scales the rows of its base");
    refused("resize {dora.gguf} --rank 2 -o {out.gguf}",
            "the change of a DoRA has no rank; make a plain LoRA of it (to-lora)");
}

TEST_F(AdapterProgram, RowsOfTokensAreServedMergedAndNamed) {
    const ProcessResult r = workspace_.run(
        "ql-finetune",
        "-m {model.gguf} -d {data.jsonl} --eval-data {data.jsonl} -o {rows.gguf} --steps 5 --ctx 64 --grad-accum 1 "
        "--lora-r 4 --lr 0.01 --base-type keep --train-tokens <|im_end|>,the,7 --compute f32 --json");
    ASSERT_EQ(0, r.code) << r.err;
    const double trained = Json::parse(r.out)["eval_after"];
    const auto nll = [&](const std::string & model) {
        const ProcessResult p =
            workspace_.run("ql-perplexity", "-d {data.jsonl} -c 64 --compute f32 --json -m " + model);
        return Json::parse(p.out)["nll"].get<double>();
    };
    EXPECT_NEAR(nll("{model.gguf} --lora {rows.gguf}"), trained, 1e-5);
    out("merge -m {model.gguf} --lora {rows.gguf} --type f32 -o {m.gguf}");
    EXPECT_NEAR(nll("{m.gguf}"), trained, 1e-5);

    const Json rows = json("info {rows.gguf}")["rows"];
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0]["weight"], "token_embd.weight");
    EXPECT_EQ(rows[0]["tokens"].size(), 3u);
    EXPECT_NE(out("info {rows.gguf}").find("token_embd.weight, of 3 tokens: 7, "), std::string::npos);
    refused("check --for llama.cpp {rows.gguf}", "it has no rows of its own for embedding and head");
    refused("compose {rows.gguf}:0.5 {adapter.gguf} -o {out.gguf}",
            "rows.gguf: rows of tokens replace those of the base");
    refused("resize {rows.gguf} --rank 2 -o {out.gguf}", "has rows of tokens, which have no rank; merge it (merge)");
    EXPECT_EQ(workspace_.run("ql-chat", "-q -m {model.gguf} --lora {rows.gguf} -p hello -n 2").code, 0);
}

TEST_F(AdapterProgram, AnActivatedLoraIsServedAndNotMerged) {
    const ProcessResult r = workspace_.run(
        "ql-finetune",
        "-m {model.gguf} -d {data.jsonl} --eval-data {data.jsonl} -o {active.gguf} --steps 5 --ctx 64 --grad-accum 1 "
        "--lora-r 4 --lr 0.01 --base-type keep --alora-invocation <|im_start|>assistant --compute f32 --json");
    ASSERT_EQ(0, r.code) << r.err;
    const ProcessResult nll = workspace_.run(
        "ql-perplexity", "-m {model.gguf} --lora {active.gguf} -d {data.jsonl} -c 64 --compute f32 --json");
    EXPECT_NEAR(Json::parse(nll.out)["nll"].get<double>(), Json::parse(r.out)["eval_after"].get<double>(), 1e-5);
    EXPECT_GT(json("info {active.gguf}")["invocation"].size(), 1u);
    EXPECT_NE(out("info {active.gguf}").find("acts from the last "), std::string::npos);
    EXPECT_EQ(json("check --for llama.cpp {active.gguf}")["llama_cpp"]["loads"], true);
    EXPECT_NE(out("check --for llama.cpp {active.gguf}").find("llama-server applies it from its invocation on"),
              std::string::npos);
    out("resize {active.gguf} --rank 2 -o {small.gguf}");
    EXPECT_EQ(json("info {small.gguf}")["invocation"], json("info {active.gguf}")["invocation"]);
    refused("merge -m {model.gguf} --lora {active.gguf} -o {out.gguf}", "an activated LoRA cannot be merged");
    refused("compose {active.gguf}:0.5 {adapter.gguf} -o {out.gguf}",
            "active.gguf: an activated LoRA acts from its invocation on");
    EXPECT_EQ(workspace_.run("ql-chat", "-q -m {model.gguf} --lora {active.gguf} -p hello -n 2").code, 0);
}

TEST_F(AdapterProgram, GoesToPeftAndBack) {
    out("to-peft -m {model.gguf} {adapter.gguf} -o {peft}");
    out("from-peft -m {model.gguf} {peft} -o {back.gguf}");
    EXPECT_EQ(json("info {back.gguf}")["matrices"], json("info {adapter.gguf}")["matrices"]);
}

TEST_F(AdapterProgram, AFailedDirectoryLeavesNoFolder) {
    const auto small_files = [] {  // a write past the limit fails
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{2000, 2000};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    };
    std::filesystem::create_directory(workspace_.path("theirs"));
    const auto before = workspace_.content();
    for (const char * folder : {"{new}", "{new/inner/peft}", "{new/}", "{theirs}"}) {
        const ProcessResult r =
            workspace_.run("ql-adapter", std::string("to-peft -m {model.gguf} {adapter.gguf} -o ") + folder,
                           {.in_child = small_files});
        EXPECT_EQ(1, r.code) << r.err;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        EXPECT_EQ(before, workspace_.content()) << folder;
    }
}

TEST_F(AdapterProgram, RefusesWhatCannotBe) {
    refused("", "one of info, check, compose, merge, extract, resize, prune, to-lora, to-peft, from-peft is needed");
    refused("info {none.gguf}", "none.gguf");
    refused("check {adapter.gguf}", "--model");
    refused("compose {adapter.gguf}:x -o {out.gguf}", "'x' is no scale of");
    refused("compose {adapter.gguf} -o {adapter.gguf}", "adapter.gguf");
    refused("compose {adapter.gguf} --method mean -o {out.gguf}", "no method 'mean'; there are cat, ");
    refused("compose {adapter.gguf} --rank 4 -o {out.gguf}", "cat chooses no rank");
    out("resize {adapter.gguf} --rank 2 -o {two.gguf}");
    refused("compose {adapter.gguf} {two.gguf} --method linear -o {out.gguf}",
            "has rank 4 in " + workspace_.path("adapter.gguf") + " and 2 in " + workspace_.path("two.gguf") +
                "; linear adds them element by element: take cat or svd");
    refused("compose {adapter.gguf} --method svd --density 0.5 -o {out.gguf}", "svd drops nothing");
    refused("merge -m {model.gguf} --lora {adapter.gguf} --type q4_0 -o {out.gguf}", "or give --force");
    refused("merge -m {model.gguf} --lora {adapter.gguf} --type own -o {out.gguf}", "'own' is unknown; ");
    refused("merge -m {wide.gguf} --lora {adapter.gguf} -o {out.gguf}", "the adapter was trained on another base: ");
    refused("merge -m {wide.gguf} --lora {adapter.gguf} --force -o {out.gguf}", "is it an adapter for another model?");
    refused("check --for ollama {adapter.gguf}", "'ollama' is unknown; llama.cpp is");
    refused("merge -m {model.gguf} --lora {adapter.gguf} -o {model.gguf}", "model.gguf");
    refused("merge -m {model.gguf} -o {out.gguf}", "--lora");
    refused("extract -m {model.gguf} --tuned {wide.gguf} -o {out.gguf}", "in the tuned model");
    refused("extract -m {model.gguf} --tuned {model.gguf} -o {out.gguf}", "are the same");
    refused("extract -m {model.gguf} --tuned {nan.gguf} -o {out.gguf}", "blk.0.attn_q.weight");
    refused("extract -m {model.gguf} --tuned {wide.gguf} --rank 0 -o {out.gguf}", "--rank");
    refused("extract -m {model.gguf} -o {out.gguf}", "--tuned");
    refused("resize {adapter.gguf} -o {out.gguf}", "to what rank?");
    refused("resize {adapter.gguf} --rank 0 -o {out.gguf}", "--rank");
    refused("resize {adapter.gguf} --rank 65 -o {out.gguf}", "1 to 64 are possible");
    refused("resize {adapter.gguf} --rank 2 -o {adapter.gguf}", "adapter.gguf");
    refused("prune {adapter.gguf} -o {out.gguf}", "what is to go?");
    refused("prune {adapter.gguf} --drop ( -o {out.gguf}", "(");
    refused("prune {adapter.gguf} --drop . -o {out.gguf}", "would be left");
    for (const char * more : {"", " --norm 1e-9", " --energy 0.5"})
        refused("prune {adapter.gguf} --drop q_proj -o {out.gguf}" + std::string(more),
                "'q_proj' is found in the names of none of the 14 linears, such as blk.0.attn_k.weight");
    out("to-peft -m {model.gguf} {adapter.gguf} -o {peft}");
    refused("info {peft}", "with its base model at hand");
    std::filesystem::rename(workspace_.path("peft"), workspace_.path("folder/named"));
    refused("resize {folder} --rank 2 -o {out.gguf}",
            "folder: holds no adapter itself, but one in a folder of its own: ");
    std::filesystem::remove(workspace_.path("folder/named/adapter_config.json"));
    for (const char * line : {"resize {folder} --rank 2 -o {out.gguf}", "check -m {model.gguf} {folder}",
                              "resize {folder/named} --rank 2 -o {out.gguf}"})
        refused(line, ": adapter_config.json is missing: this folder is no PEFT adapter");
}

}  // namespace
}  // namespace ql::test
