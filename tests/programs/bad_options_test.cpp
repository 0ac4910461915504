// Options and settings that are unknown, misspelt, out of range, empty, or contradict each other.
#include "programs/bad_input.hpp"

namespace ql::test {
namespace {

TEST_F(BadInput, UnknownOptionsAndValuesAreErrors) {
    for (const char * program : {kFinetune, kChat, kQuantize, kPerplexity, kBench, kDoctor}) {
        std::string line = program == kFinetune     ? "-m {model.gguf} -d {data.jsonl} -o {out.gguf}"
                           : program == kChat       ? "-m {model.gguf} -p hello -n 1"
                           : program == kQuantize   ? "{model.gguf} {out.gguf} q8_0"
                           : program == kPerplexity ? "-m {model.gguf} -f {text.txt}"
                           : program == kBench      ? "peak"
                                                    : "--quick";
        expect_refused(program, line + " --colour red", {"--colour"}, {2});
        workspace_.write("bad.toml", "colour = \"red\"\n");
        expect_refused(program, line + " --config {bad.toml}", {"colour"}, {2});
        std::filesystem::remove(workspace_.path("bad.toml"));
        if (program == kQuantize) continue;
        expect_refused(program, line + " --device tpu", {"tpu", "cpu"}, {2});
        expect_refused(program, line + " --device cuda:0", {"cuda", "cpu"}, {2});
        expect_refused(program, line + " --compute f64", {"--compute", "f32"}, {2});
        if (program == kDoctor) {
            expect_refused(program, line + " --memory 6GiB", {"--memory"}, {2});
        } else if (program == kBench) {
            expect_refused(program, line + " --memory 6GiB", {"--memory", "train and infer"}, {2});
            expect_refused(program, line + " --spill /tmp", {"--spill", "train and infer"}, {2});
            expect_refused_budgets(program, "infer -m {model.gguf} --prompt 8 --generate 2");
        } else {
            expect_refused_budgets(program, line);
        }
    }
    expect_refused(kQuantize, "{model.gguf} {out.gguf} q3", {"q3", "nf4_dq"}, {2});
    expect_refused(kQuantize, "{model.gguf} {out.gguf} q5_1", {"q5_1", "read only"}, {2});
    expect_refused(kChat, "-m {model.gguf} -p x --base-type foo", {"--base-type: 'foo' is unknown; auto, keep, f32, "},
                   {2});
    expect_refused(kQuantize, "{model.gguf} {out.gguf} iq1",
                   {"TYPE: 'iq1' is unknown; there are keep, f32, ", "q4_K_M"}, {2});
    expect_refused(kBench, "op conv", {"conv", "mul_mat"}, {2});
    expect_refused(kBench, "", {"peak"}, {2});
}

TEST_F(BadInput, MisspeltOptionsNameTheNearest) {
    const std::string train = "-m {model.gguf} -d {data.jsonl} -o {out.gguf}";
    expect_refused(kFinetune, train + " --epocs 3", {"--epocs is unknown; did you mean --epochs?"}, {2});
    expect_refused(kFinetune, train + " --epoch=3", {"--epoch is unknown; did you mean --epochs?"}, {2});
    expect_refused(kFinetune, train + " --wramup 3", {"did you mean --warmup?"}, {2});
    expect_refused(kFinetune, train + " --learning-rate 1", {"--learning-rate is unknown; did you mean --lr?"}, {2});
    expect_refused(kFinetune, train + " --rank 4", {"--rank is unknown; did you mean --lora-r?"}, {2});
    expect_refused(kChat, "-m {model.gguf} -p x --rank 4", {"--rank is unknown (see --help)"}, {2});
    expect_refused(kFinetune, train + " extra", {"'extra' is one word too many"}, {2});
    expect_refused(kChat, "-m {model.gguf} -p x --temperature 0", {"--temperature is unknown; did you mean --temp?"},
                   {2});
    expect_refused(kChat, "-m {model.gguf} -p x --top_k 0", {"did you mean --top-k?"}, {2});
    expect_refused(kChat, "-m {model.gguf} -p x --colour 0", {"--colour is unknown (see --help)"}, {2});
    expect_refused(kAdapter, "inf {adapter.gguf}", {"did you mean info?"}, {2});
    expect_refused(kAdapter, "compose {adapter.gguf} -o {out.gguf} --densty 1", {"did you mean --density?"}, {2});
    workspace_.write("bad.toml", "epocs = 3\n");
    expect_refused(kFinetune, train + " --config {bad.toml}", {"bad.toml:1: 'epocs' is unknown; did you mean epochs?"},
                   {2});
    expect_refused(kFinetune, train + " --config {none.toml}", {"--config: ", "none.toml: no such file"}, {2});
}

TEST_F(BadInput, MistakesInConfigFilesAreNamedWithTheirLine) {
    const std::string train = "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --config {bad.toml}";
    for (const auto & [text, message] : std::initializer_list<std::pair<std::string, const char *>>{
             {"lora-r = 4\n\nlora-r = 8\n", ":3: 'lora-r' is given twice"},
             {"lora-r = 4 steps = 3\n", ":1: text follows the value; each setting has a line"},
             {"\nlr = \"1e-3\" fast\n", ":2: text follows the value"},
             {"optim = \"adamw\nsteps = 3\n", ":1: a quote does not end"},
             {"optim = \"adamw", ":1: a quote does not end"},
             {"data = [\"a\",\n", ":1: a list does not end"},
             {"optim = adamw\n", ":1: the value is neither a number nor true or false; a text stands in quotes"},
             {"search\n", ":1: no KEY = VALUE; what is switched on is written as KEY = true"},
             {"steps = 3\npacking = \"maybe\"\n", ":2: --packing: 'maybe' is neither true nor false"},
             {"steps = 3\nno-packing = \"maybe\"\n", ":2: --packing: 'maybe' is neither true nor false"},
             {"\nlora-r = \"four\"\n", ":2: --lora-r: 'four' is not a number"},
             {"optim = \"adam\"\n", ":1: --optim: 'adam' is unknown"},
             {"data = [[\"a\"]]\n", ":1: 'data' is no text, number"},
             {"\nman = true\n", ":2: 'man' belongs on the command line"},
             {"version = true\n", ":1: 'version' belongs on the command line"},
             {"help = true\n", ":1: 'help' belongs on the command line"},
             {"[colour]\nred = 1\n", ":1: '[colour]' begins a section"}}) {
        workspace_.write("bad.toml", text);
        expect_refused(kFinetune, train, {"--config: ", "bad.toml" + std::string(message)}, {2});
    }
    workspace_.write("bad.toml", "lora-r = 4\n");
    const ProcessResult r = workspace_.run(kFinetune, train + " --lora-r four");
    EXPECT_EQ(r.err.find("bad.toml"), r.err.npos) << "the command line's value is not the file's: " << r.err;
    expect_refused(kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --packing=maybe",
                   {"--packing: 'maybe' is neither true nor false"}, {2});
}

TEST_F(BadInput, OptionsThatAKindOfAdapterDoesNotHave) {
    for (const char * option : {"--lora-alpha 8", "--lora-alpha-pattern attn_q=8", "--rslora", "--lora-plus-ratio 4"})
        expect_refused(kFinetune,
                       "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --lora-type miss " + std::string(option),
                       {"has no meaning with --lora-type miss"}, {2});
    for (const char * start : {"pissa", "eva", "gaussian"})
        expect_refused(
            kFinetune,
            "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --lora-type miss --lora-init " + std::string(start),
            {"the start '" + std::string(start) + "' is one of plain LoRA"}, {2});
    expect_refused(kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --lora-type loha", {"loha", "dora"}, {2});
    expect_refused(kFinetune,
                   "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --lora-type dora --init-adapter {adapter.gguf}",
                   {"--lora-type has no meaning with --init-adapter"}, {2});
}

TEST_F(BadInput, AnEmptyBudgetIsNoneThatWasMeant) {
    for (const char * program : {kFinetune, kChat, kPerplexity}) {
        auto words = workspace_.arguments(program == kChat       ? "-m {model.gguf} -p x"
                                          : program == kFinetune ? "-m {model.gguf} -d {data.jsonl} -o {out.gguf}"
                                                                 : "-m {model.gguf} -f {text.txt}");
        words.insert(words.end(), {"--memory", ""});
        const ProcessResult r = run_program(program, words);
        EXPECT_EQ(2, r.code) << r.err;
        EXPECT_NE(r.err.find("--memory: the size is empty; write 300MiB"), r.err.npos) << r.err;
    }
}

/// What a shell makes of a variable that is not set is no way of leaving an option out.
TEST_F(BadInput, EmptyTextsAreRefusedByName) {
    const std::string train = "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --steps 1 --ctx 64",
                      chat = "-m {model.gguf}";
    const std::pair<const char *, const char *> table[] = {{kFinetune, "--alora-invocation"},
                                                           {kFinetune, "--train-tokens"},
                                                           {kFinetune, "--lora-layers"},
                                                           {kFinetune, "--lora-targets"},
                                                           {kFinetune, "--lora-rank-pattern"},
                                                           {kFinetune, "--lora-alpha-pattern"},
                                                           {kFinetune, "--init-adapter"},
                                                           {kFinetune, "--eval-data"},
                                                           {kFinetune, "--columns"},
                                                           {kFinetune, "--train-on"},
                                                           {kFinetune, "--checkpoint-dir"},
                                                           {kFinetune, "--export-from"},
                                                           {kFinetune, "--resume"},
                                                           {kFinetune, "--metrics"},
                                                           {kFinetune, "--plot"},
                                                           {kFinetune, "--base-type"},
                                                           {kFinetune, "--embeddings"},
                                                           {kFinetune, "--chat-template"},
                                                           {kFinetune, "--date"},
                                                           {kFinetune, "--chat-template-kwargs"},
                                                           {kFinetune, "--spill"},
                                                           {kFinetune, "--device"},
                                                           {kFinetune, "--config"},
                                                           {kChat, "--prompt"},
                                                           {kChat, "--system"},
                                                           {kChat, "--stop"},
                                                           {kChat, "--lora"},
                                                           {kChat, "--model"}};
    for (const auto & [program, option] : table) {
        SCOPED_TRACE(option);
        const auto before = workspace_.content();
        const std::string line = program == kFinetune ? train : chat;
        for (const bool joined : {false, true}) {
            auto words = workspace_.arguments(line);
            const std::string name = option;
            words.push_back(joined ? name + "=" : name);
            if (!joined) words.push_back("");
            const ProcessResult r = run_program(program, words);
            EXPECT_EQ(2, r.code) << r.err;
            EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
            EXPECT_NE(r.err.find(name + (joined ? ": nothing stands behind the '='" : ": the text is empty")),
                      r.err.npos)
                << r.err;
        }
        EXPECT_EQ(before, workspace_.content());
    }
    workspace_.write("empty.toml", "alora-invocation = \"\"\n");
    expect_refused(kFinetune, train + " --config {empty.toml}", {"--alora-invocation: the text is empty"}, {2});
    expect_refused(kAdapter, "prune {adapter.gguf} -o {out.gguf} --drop=", {"--drop: nothing stands behind the '='"},
                   {2});
}

TEST_F(BadInput, OptionsOfLaterVersionsSayThatTheyAreNotSupportedYet) {
    expect_refused(kFinetune, "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --lora {adapter.gguf}",
                   {"not supported yet"}, {2});
}

TEST_F(BadInput, OptimizersThatAreUnknownOrHaveNoPlaceForTheirPages) {
    const std::string train = "-m {model.gguf} -d {data.jsonl} -o {out.gguf} --optim ";
    expect_refused(kFinetune, train + "adam", {"'adam' is unknown", "adamw8bit", "sgd"}, {2});
    expect_refused(kFinetune, train + "paged_adamw", {"paged_adamw", "--spill"}, {2});
    expect_refused(kFinetune, train + "paged_adamw8bit", {"paged_adamw8bit", "--spill"}, {2});
    expect_refused(kFinetune, train + "paged_lion --spill {nowhere}", {"nowhere: cannot spill"}, {2});
}

TEST_F(BadInput, OptionsThatContradictEachOtherAreErrors) {
    const std::string train = "-m {model.gguf} -d {data.jsonl} ";
    expect_refused(kFinetune, train, {"-o"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --eval-data {data.jsonl} --eval-split 0.1", {"--eval-split"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --eval-every 3", {"--eval-every"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --plot {p.jpg}", {"p.jpg: pictures are .png or .svg"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --steps 3 --epochs 2", {"--steps"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --init-adapter {adapter.gguf} --lora-r 8", {"--lora-r"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --lora-targets nothing_like_this", {"nothing_like_this"}, {2});
    for (const char * option : {"--lora-layers 0", "--lora-rank-pattern attn_q=2", "--lora-init pissa"})
        expect_refused(kFinetune, train + "-o {out.gguf} --init-adapter {adapter.gguf} " + option,
                       {std::string(option).substr(0, 9), "--init-adapter"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --lora-layers 5", {"there is no layer 5", "0 to 1"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --lora-rank-pattern attn_x=4", {"'attn_x' decides for no linear"},
                   {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --lora-alpha-pattern attn_q=", {"REGEX=NUMBER"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --lora-init olora", {"--lora-init"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --lora-init orthogonal --lora-r 3", {"even rank"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --lora-init loftq --base-type keep", {"lost nothing"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --ctx 512", {"--ctx", "256"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --merge-aware --lora-dropout 0.1", {"--lora-dropout"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --merge-aware --base-type keep", {"--merge-aware=q4_0"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --merge-aware --train-tokens the", {"--train-tokens"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --train-tokens <|tool|>", {"'<|tool|>' is no token"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --init-adapter {adapter.gguf} --train-tokens 7",
                   {"--train-tokens"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --alora-invocation xyzxyz", {"holds the adapter's invocation"},
                   {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --alora-invocation the --train-norms", {"trained norms"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --dora --lora-type miss", {"--dora", "--lora-type"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --merge-aware=q5_1", {"--merge-aware", "read only"}, {2});
    expect_refused(kFinetune, train + "-o {out.gguf} --merge-aware=q4_0 --lora-targets attn", {"blk.0.ffn_gate"}, {2});
    expect_refused(kPerplexity, "-m {model.gguf}", {"-f"}, {2});
    expect_refused(kPerplexity, "-m {model.gguf} -f {text.txt} --exact", {"--exact"}, {2});
    expect_refused(kPerplexity, "-m {model.gguf} -f {text.txt} --score f1", {"--score needs -d"}, {2});
    const std::string answers = "-m {model.gguf} -d {data.jsonl} ";
    expect_refused(kPerplexity, answers + "--score f1,rouge", {"--score: 'rouge' is unknown; did you mean rouge_l?"},
                   {2});
    expect_refused(kPerplexity, answers + "--score bleu", {"--score: 'bleu' is unknown; exact, normalized, f1,"}, {2});
    expect_refused(kPerplexity, answers + "--score f1 --marker A:", {"--marker needs --score final"}, {2});
    expect_refused(kPerplexity, answers + "--score f1 --dry-run", {"leave --score out"}, {2});
    expect_refused(kPerplexity, answers + "--predictions {p.jsonl}", {"--exact or --score"}, {2});
    expect_refused(kChat, "-m {model.gguf} --json", {"-p"}, {2});
    expect_refused(kChat, "-m {model.gguf} -p hello --lora {adapter.gguf}:1001", {"scale"}, {2});
}

/// A numeric option and values that must be refused. Where 0 or 10^9 has a meaning, `bad` leaves it out.
struct Number {
    const char * program;
    const char * option;
    std::vector<const char *> bad;
};

TEST_F(BadInput, NumbersOutOfRangeNameTheirLimits) {
    const std::vector<const char *> both = {"0", "1000000000", "-1", "x", ""}, high = {"1000000000", "-1", "nan"},
                                    low = {"0", "-3"};
    const std::vector<Number> numbers = {{kFinetune, "--ctx", both},
                                         {kFinetune, "--batch", both},
                                         {kFinetune, "--grad-accum", both},
                                         {kFinetune, "--epochs", both},
                                         {kFinetune, "--steps", both},
                                         {kFinetune, "--lora-r", both},
                                         {kFinetune, "--lora-alpha", both},
                                         {kFinetune, "--lora-dropout", high},
                                         {kFinetune, "--lora-plus-ratio", both},
                                         {kFinetune, "--neftune-alpha", high},
                                         {kFinetune, "--lr", both},
                                         {kFinetune, "--warmup", high},
                                         {kFinetune, "--weight-decay", high},
                                         {kFinetune, "--clip", high},
                                         {kFinetune, "--eval-split", both},
                                         {kFinetune, "--eval-every", both},
                                         {kFinetune, "--save-every", both},
                                         {kFinetune, "--keep", both},
                                         {kFinetune, "--show-data", both},
                                         {kFinetune, "--threads", both},
                                         {kFinetune, "--seed", {"-1", "x", "99999999999999999999999"}},
                                         {kChat, "-n", both},
                                         {kChat, "-c", both},
                                         {kChat, "--temp", high},
                                         {kChat, "--top-k", high},
                                         {kChat, "--top-p", both},
                                         {kChat, "--min-p", high},
                                         {kChat, "--repeat-penalty", both},
                                         {kChat, "--logprobs", both},
                                         {kChat, "-t", both},
                                         {kPerplexity, "-c", both},
                                         {kPerplexity, "--stride", both},
                                         {kPerplexity, "-t", both},
                                         {kBench, "-t", both},
                                         {kDoctor, "-t", both}};
    for (const Number & n : numbers) {
        const std::string line = n.program == kFinetune     ? "-m {model.gguf} -d {data.jsonl} -o {out.gguf}"
                                 : n.program == kChat       ? "-m {model.gguf} -p hello"
                                 : n.program == kPerplexity ? "-m {model.gguf} -f {text.txt}"
                                 : n.program == kBench      ? "peak"
                                                            : "--quick";
        for (const char * value : n.bad) {
            std::vector<std::string> arguments = workspace_.arguments(line);
            arguments.insert(arguments.end(), {n.option, value});
            SCOPED_TRACE(show_command(n.program, arguments));
            const auto before = workspace_.content();
            const ProcessResult r = run_program(n.program, arguments);
            EXPECT_EQ(2, r.code) << r.err;
            EXPECT_EQ("", r.out);
            EXPECT_EQ(1, std::count(r.err.begin(), r.err.end(), '\n')) << r.err;
            if (*value == '1' || *value == '0') {
                EXPECT_NE(r.err.npos, r.err.find(" to ")) << r.err;
            }
            EXPECT_EQ(before, workspace_.content());
        }
    }
    for (const char * option : {"--prompt", "--generate", "--repeats"})
        for (const char * value : {"0", "1000000000"})
            expect_refused(kBench, "infer -m {model.gguf} " + std::string(option) + " " + value, {option, " to "}, {2});
    for (const char * option : {"--ctx", "--batch", "--steps", "--lora-r"})
        for (const char * value : {"0", "1000000000"})
            expect_refused(kBench, "train -m {model.gguf} " + std::string(option) + " " + value, {option, " to "}, {2});
}

}  // namespace
}  // namespace ql::test
