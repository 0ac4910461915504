// What ql-adapter says of an adapter: what it is, where it comes from, whether it fits a model.
#include "programs/adapter_program.hpp"

#include <algorithm>

#include "support/tiny_model.hpp"

namespace ql::test {
namespace {

TEST_F(AdapterProgram, InfoSaysWhatItIs) {
    const Json info = json("info {adapter.gguf}");
    EXPECT_EQ(info["architecture"], "llama");
    ASSERT_FALSE(info["matrices"].empty());
    for (const Json & m : info["matrices"]) {
        EXPECT_EQ(m["r"], 4);
        EXPECT_GT(m["norm"], 0);
    }
    EXPECT_NE(out("info {adapter.gguf}").find("fits      unknown: give its model with -m"), std::string::npos);
    EXPECT_NE(out("info -m {model.gguf} {adapter.gguf}").find("model.gguf"), std::string::npos);
}

TEST_F(AdapterProgram, CheckSaysThatItFitsAndWhatIsUnchanged) {
    const Json trained = json("check -m {model.gguf} {adapter.gguf}");
    EXPECT_EQ(trained["fits"], true);
    EXPECT_TRUE(trained["unchanged"].empty());
    out("compose {adapter.gguf}:0 -o {zero.gguf}");
    EXPECT_FALSE(json("check -m {model.gguf} {zero.gguf}")["unchanged"].empty());
}

TEST_F(AdapterProgram, InfoSaysWhereItComesFrom) {
    const Json info = json("info -m {model.gguf} {adapter.gguf}");
    EXPECT_EQ(info["base_identity"].get<std::string>().size(), 16u);
    EXPECT_EQ(info["fits"], "this file");
    EXPECT_EQ(info["options"], "kind=lora;r=4;alpha=32;rslora=0;norms=0;targets=all;layers=;ranks=;alphas=");
    EXPECT_EQ(info["seed"], "42");
    ASSERT_EQ(info["runs"].size(), 1u);
    EXPECT_EQ(info["runs"][0]["steps"], 1);
    EXPECT_EQ(info["runs"][0]["data"].get<std::string>().size(), 16u);
    EXPECT_EQ(info["runs"][0]["loss_first"], info["runs"][0]["loss_last"]);
    EXPECT_EQ(info["runs"][0]["eval_best"], nullptr);
    const std::string text = out("info {adapter.gguf}");
    EXPECT_NE(text.find("trained   1 step, "), std::string::npos) << text;
    EXPECT_NE(text.find("layer"), std::string::npos) << text;
    out("compose {adapter.gguf}:0.5 -o {half.gguf}");
    EXPECT_EQ(json("info {half.gguf}")["composed"], "cat: tiny LoRA x 0.5");
}

TEST_F(AdapterProgram, CheckNamesUntrainedTensors) {
    const Json trained = json("check -m {model.gguf} {adapter.gguf}");
    EXPECT_EQ(trained["base"], "this file");
    for (const Json & u : trained["untrained"])  // one step moves B alone
        EXPECT_EQ(u["why"], "A is where its seed began: trained for a step at most");
    EXPECT_FALSE(trained["untrained"].empty());
    out("compose {adapter.gguf}:0 -o {zero.gguf}");
    EXPECT_NE(out("check -m {model.gguf} {zero.gguf}").find("blk.0.attn_q.weight: A is zero: it changes nothing"),
              std::string::npos);
}

TEST_F(AdapterProgram, CheckSaysWhatLlamaCppDoes) {
    const Json found = json("check --for llama.cpp {adapter.gguf}")["llama_cpp"];
    EXPECT_EQ(found["loads"], true);
    ASSERT_FALSE(found["matrices"].empty());
    for (const Json & m : found["matrices"]) EXPECT_EQ(m["use"], "applied") << m;
    EXPECT_NE(out("check --for llama.cpp -m {model.gguf} {adapter.gguf}").find("read in ggml-org/llama.cpp@"),
              std::string::npos);
    ASSERT_EQ(workspace_.run("ql-quantize", "{model.gguf} {nf4.gguf} nf4").code, 0);
    const ProcessResult nf4 = workspace_.run("ql-adapter", "check --for llama.cpp -m {nf4.gguf} {adapter.gguf}");
    EXPECT_EQ(nf4.code, 2);
    EXPECT_NE(nf4.err.find("a type it does not know"), std::string::npos) << nf4.err;
    EXPECT_EQ(json("check -m {nf4.gguf} {adapter.gguf}")["base"], "another quantisation");
}

/// Every program that takes an adapter asks which base it was trained on.
TEST_F(AdapterProgram, AnotherBaseNeedsForce) {
    TinyModelOptions options;
    options.norm_scale = 1.5f;
    write_tiny_model(workspace_.path("other.gguf"), options);
    const std::pair<const char *, const char *> lines[] = {
        {"ql-adapter", "check -m {other.gguf} {adapter.gguf}"},
        {"ql-adapter", "merge -m {other.gguf} --lora {adapter.gguf} -o {merged.gguf}"},
        {"ql-chat", "-q -m {other.gguf} --lora {adapter.gguf} -p hello -n 2"},
        {"ql-perplexity", "-q -m {other.gguf} --lora {adapter.gguf} -f {text.txt} -c 64"},
        {"ql-finetune",
         "-q -m {other.gguf} --init-adapter {adapter.gguf} -d {data.jsonl} -o {on.gguf} --steps 1 --ctx 64 "
         "--grad-accum 1"}};
    for (const auto & [program, line] : lines) {
        const auto before = workspace_.content();
        const ProcessResult r = workspace_.run(program, line);
        EXPECT_EQ(r.code, 2) << line;
        EXPECT_NE(r.err.find("the adapter was trained on another base: "), std::string::npos) << r.err;
        EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
        EXPECT_EQ(workspace_.content(), before) << line;
        const ProcessResult forced = workspace_.run(program, std::string(line) + " --force");
        EXPECT_EQ(forced.code, 0) << forced.err;
        EXPECT_NE(r.err.find("; --force uses it all the same"), std::string::npos) << r.err;
        const bool quiet = std::string_view(line).starts_with("-q");
        EXPECT_EQ(forced.err.find("note: the adapter was trained on another base: ") == std::string::npos, quiet)
            << forced.err;
    }
    refused("compose {adapter.gguf} {on.gguf} -o {both.gguf}", "adapter.gguf was trained on the model");
    refused("compose {adapter.gguf} {on.gguf} -o {both.gguf}", "; --force composes them all the same");
    refused("merge -m {model.gguf} --lora {adapter.gguf}:0.5 --lora {on.gguf} -o {m.gguf}", "another base");
    refused("merge -m {model.gguf} --lora {adapter.gguf} --lora {on.gguf} -o {m.gguf}", "another base");
    out("compose {adapter.gguf} {on.gguf} -o {both.gguf} --force");
    out("merge -m {model.gguf} --lora {adapter.gguf} --lora {on.gguf} -o {m.gguf} --force");
    EXPECT_EQ(json("info -m {other.gguf} {adapter.gguf}")["fits"], "another base");
    EXPECT_EQ(json("info -m {other.gguf} {on.gguf}")["fits"], "this file") << "it was trained on";
    EXPECT_EQ(json("info {on.gguf}")["runs"].size(), 2u);
    const std::string other = json("info {on.gguf}")["other_base"];
    EXPECT_EQ(other.find("the adapter was trained on another base: "), 0u) << "it stays with what was made of it";
    EXPECT_NE(out("info {on.gguf}").find("other base"), std::string::npos);
    EXPECT_EQ(json("info {adapter.gguf}")["other_base"], "");
    for (const char * line :
         {"resize {on.gguf} --rank 2 -o {made.gguf}", "prune {on.gguf} --drop attn_q -o {made.gguf}",
          "resize -m {other.gguf} {adapter.gguf} --rank 2 -o {made.gguf} --force",
          "compose -m {other.gguf} {adapter.gguf}:0.5 -o {made.gguf} --force"}) {
        out(line);
        EXPECT_EQ(json("info {made.gguf}")["other_base"], other) << line;
    }
    out("to-peft -m {other.gguf} {adapter.gguf} -o {made-peft} --force");
    out("from-peft -m {other.gguf} {made-peft} -o {made.gguf} --force");
    EXPECT_EQ(json("info {made.gguf}")["other_base"], other);
}

}  // namespace
}  // namespace ql::test
