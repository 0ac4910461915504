#include "examples/finetune/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "examples/finetune/train_on.hpp"
#include "ql/dtypes.hpp"
#include "tools/cli/board/server.hpp"
#include "tools/cli/data_options.hpp"
#include "tools/cli/outputs.hpp"

namespace ql::cli {
namespace {

constexpr const char * kOfNewAdapters[] = {
    "--lora-r", "--lora-alpha", "--lora-targets", "--lora-layers",  "--lora-rank-pattern", "--lora-alpha-pattern",
    "--rslora", "--lora-type",  "--train-norms",  "--train-tokens", "--lora-init",         "--alora-invocation"};

/// In the order of ql_optimizer.
std::vector<ql_optimizer_info> optimizers() {
    std::vector<ql_optimizer_info> all;
    auto info = sized<ql_optimizer_info>();
    while (ql_optimizer_describe(static_cast<ql_optimizer>(all.size()), &info) == QL_OK) all.push_back(info);
    return all;
}

/// The enumerator of a name that the command line has let pass.
ql_optimizer optimizer_named(const std::string & name) {
    const auto all = optimizers();
    const auto it = std::find_if(all.begin(), all.end(), [&](const auto & o) { return name == o.name; });
    return static_cast<ql_optimizer>(it - all.begin());
}

bool has_checkpoint(const std::string & folder) {
    std::error_code ec;
    for (std::filesystem::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec))
        if (it->path().filename().string().starts_with("step-")) return true;
    return false;
}

/// An option that may be left to the library.
void automatic(Program & p, const std::string & name, std::string & text, const char * takes, const char * help) {
    p.text(name, text, help)->option_text(takes);
}

/// The number of such an option; 0: auto.
double number_or_auto(const char * name, const std::string & text, double low, double high, bool whole) {
    if (text == "auto") return 0;
    double value = 0;
    const char * end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, value);
    const bool fits = read.ec == std::errc() && read.ptr == end && (!whole || value == std::floor(value));
    if (!fits) bad_input("%s: '%s' is not a number from %g to %g, or auto", name, text.c_str(), low, high);
    if (!(value >= low && value <= high))
        bad_input("%s: %s is out of range; %g to %g are possible, or auto", name, text.c_str(), low, high);
    return value;
}

}  // namespace

FinetuneOptions::FinetuneOptions(Program & p)
    : chat(p, "Instead of the model's", "that of --init-adapter, or " QL_TRAINING_DATE), program_(p) {
    add_data(p);
    add_output(p);
    add_adapter(p);
    add_training(p);
    p.seed(seed);
    p.not_yet("--lora", "training on top of other adapters; --init-adapter goes on from one");
}

void FinetuneOptions::add_data(Program & p) {
    p.texts(
         "-d,--data", data,
         "Training data: .jsonl, .json, .csv, .tsv or .txt, or .gz of these; a folder of such files, or a pattern; may "
         "be given several times")
        ->option_text("FILE|FOLDER|GLOB");
    add_columns(p, columns, "the data");
    p.texts("--eval-data", eval_data, "Data to evaluate on, before, during and after training; as -d")
        ->option_text("FILE|FOLDER|GLOB");
    p.number("--eval-split", eval_split, 0.0001, 0.9, "Holds out this part of the data to measure with")
        ->default_str("");
    p.number("--eval-every", eval_every, 1, 100000000, "Steps between evaluations (default: the end of each epoch)")
        ->default_str("");
    p.number("--ctx", ctx, 8, 1 << 20, "Tokens of a sequence (default: 512, or the model's if that is less)")
        ->default_str("");
    p.choice("--long", long_policy, {"cut", "drop", "error"}, {},
             "What happens to samples longer than --ctx; cut: their first tokens stay, those left without an answer "
             "are dropped");
    p.list("--train-on", train_on,
           "What carries loss: answers (all that the assistant writes), words, reasoning, tools (parts of them), last "
           "(in its last message alone), or all (also what others say). Names may be joined: last,words")
        ->option_text("NAME,...");
    p.flag("--packing,!--no-packing", packing, "Several samples in a sequence; --no-packing: one each");
    p.flag("--shuffle,!--no-shuffle", shuffle, "A new order of samples each epoch");
    p.flag("--skip-bad-lines", skip_bad_lines, "Counts lines that cannot be read instead of stopping at them");
    p.number("--show-data", show_data, 1, 1000000,
             "Prints N samples as the model sees them, trained tokens in [[ ]], and stops")
        ->default_str("");
}

void FinetuneOptions::add_output(Program & p) {
    p.text("-o,--output", output, "The adapter; an existing one is replaced, at the very end")
        ->option_text("FILE.gguf");
    p.text("--checkpoint-dir", checkpoint_dir, "Where to save the state of the run (default: OUTPUT.ckpt)")
        ->option_text("DIR");
    p.number("--save-every", save_every, 1, 100000000, "Steps between checkpoints; the end of an epoch has one too");
    p.number("--keep", keep, 1, 1000, "How many of the newest checkpoints are kept");
    p.flag("--keep-checkpoints", keep_checkpoints,
           "Leaves the checkpoints when the run has ended, so that it can go on for more --epochs");
    p.text("--export-from", export_from,
           "Writes the adapter of a checkpoint, or of the newest one in a folder, to -o, and stops; -m is needed for "
           "MiSS alone")
        ->option_text("FILE|DIR");
    p.text("--resume", resume,
           "Goes on from the newest checkpoint: 'auto', or the folder it is in; or from a checkpoint; a run that has "
           "ended goes on for more --epochs")
        ->option_text("auto|DIR|FILE");
    p.text("--metrics", metrics, "A line of JSON for every step; with --resume it goes on")->option_text("FILE.jsonl");
    p.text("--plot", plot, "A picture of the run: loss, evaluations, rate; with --dry-run: of the memory over a step")
        ->option_text("FILE.png|.svg");
    p.optional_text(
         "--board", board, "auto",
         "A page that shows the run while it goes on: curves, plan, samples, a button to stop; on this machine alone. "
         "auto: port " +
             std::to_string(kFirstPort) + ", or the next that is free; 0: any")
        ->option_text("[PORT]")
        ->check(BoardServer::why_not);
    p.flag(
        "--overwrite", overwrite,
        "An earlier run's checkpoints and metrics may go, when the first step begins; without it only the checkpoints "
        "of a run that has ended");
    p.flag("--dry-run", dry_run,
           "Prints the plan: memory, steps, operations; trains nothing, writes nothing but --plot");
}

void FinetuneOptions::add_adapter(Program & p) {
    p.text("--base-type", base_type,
           "Type of the frozen weights: auto (a quantised model as it is, else nf4_dq), keep, " +
               weight_target_names(" or "))
        ->option_text("TYPE");
    p.text("--embeddings", embeddings, "The same for embedding and head: auto, keep or a type")->option_text("TYPE");
    p.flag("--search", search,
           "Scales of blocks by least squared error where weights become " + dtype_names(ql_dtype_can_search, " or ") +
               ": a better base, some seconds more");
    p.choice("--lora-type", lora_type, {"lora", "miss", "dora"}, {},
             "What is trained; miss: B alone, over sums of parts of the input; dora: a magnitude for each row, too");
    p.number("--lora-r", lora_r, 1, 1024, "Rank of the adapter");
    p.number("--lora-alpha", lora_alpha, 0.001, 1e5, "The adapter is scaled by alpha / r");
    p.text("--lora-targets", targets, "Linears that get an adapter: all, attn, mlp, or a regular expression")
        ->option_text("all|attn|mlp|REGEX");
    p.choice(
        "--lora-init", lora_init, {"default", "gaussian", "orthogonal", "pissa", "loftq", "eva"}, {},
        "How a new adapter starts: B zero (default, gaussian), in the weights' (pissa) or their quantisation error's "
        "(loftq) largest singular vectors, or in the data's (eva)");
    p.list("--lora-layers", layers, "Layers that get one: numbers and ranges, -1 is the last one (default: all)")
        ->option_text("0-9,20,-1");
    p.list("--lora-rank-pattern", rank_pattern,
           "Other ranks for the weights in whose names an expression is found, the first one that is")
        ->option_text("REGEX=R,...");
    p.list("--lora-alpha-pattern", alpha_pattern, "The same of alpha")->option_text("REGEX=ALPHA,...");
    p.number("--lora-dropout", lora_dropout, 0, 0.9, "Dropout before the adapter");
    p.number("--neftune-alpha", neftune_alpha, 0, 10000,
             "Noise on the embeddings in training, alpha / sqrt(tokens of the sample * width); 5 is usual (NEFTune)");
    p.number("--lora-plus-ratio", lora_plus_ratio, 0.01, 1000, "Learning rate of B over A's (LoRA+)");
    p.flag(
        "--dora", [this] { lora_type = "dora"; }, "The same as --lora-type dora");
    p.flag("--rslora", rslora, "Scale alpha / sqrt(r) instead of alpha / r");
    p.flag("--train-norms", train_norms, "Trains the model's norms, too, as a whole");
    p.list(
         "--train-tokens", train_tokens,
         "Trains the rows of these tokens, too, in the embedding, and in a head that is not tied to it; of tokens that "
         "the model has: ids, or what they write, special ones by their names")
        ->option_text("ID|TEXT,...");
    p.text("--alora-invocation", alora_invocation,
           "The adapter acts from the last occurrence of this text in a sample on (activated LoRA): what comes before "
           "keeps the base's keys and values, which other adapters can share; such as $'<|im_start|>assistant\\n'")
        ->option_text("TEXT");
    p.flag("--merge-aware{base}", merge_aware,
           "Trains for a merge: with the weights that ql-adapter merge will write, of the base's type, or "
           "of the one named as --merge-aware=TYPE: keep (each linear's own, as in a mix such as q4_K_M), " +
               weight_target_names(" or "))
        ->option_text("[=TYPE]");
    p.choice(
        "--merge-rounding", merge_rounding, {"auto", "nearest", "dithered"}, {},
        "How --merge-aware rounds: to the nearest value, or by a threshold of each weight, so that changes smaller "
        "than a step count from the start; auto: the latter for weights that have the type of the merge already");
    p.text("--init-adapter", init_adapter, "Goes on from an adapter: GGUF, or PEFT directory")->option_text("FILE|DIR");
    p.flag("--force", force, "Takes an --init-adapter that was trained on another base too");
}

void FinetuneOptions::add_training(Program & p) {
    automatic(p, "--lr", lr_text, "X|auto",
              "Learning rate; auto: 2e-4, more where there are few steps or the model is narrow");
    p.choice("--schedule", schedule, {"constant", "linear", "cosine", "wsd", "inverse_sqrt"}, {},
             "How the learning rate falls after the warm-up; wsd: only over the last --decay of the steps");
    p.number("--lr-floor", lr_floor, 0, 1, "The part of --lr that it falls to");
    p.number("--decay", decay, 0, 1e6, "Of --schedule wsd: a part of the steps (below 1), or steps");
    p.number("--warmup", warmup, 0, 1e6, "Warm-up: a part of the steps (below 1), or steps");
    automatic(p, "--epochs", epochs_text, "X|auto",
              "Times over the data, such as 2 or 0.5; auto: until enough tokens are trained, at most 8");
    p.number("--steps", steps, 1, 100000000, "Ends after N steps instead of --epochs")->default_str("");
    p.text(
         "--batch", batch_text,
         "Sequences at a time: more need more memory; auto: of the --grad-accum sequences of a step as many as fit and "
         "make it faster")
        ->option_text("N|auto");
    automatic(
        p, "--grad-accum", grad_accum_text, "N|auto",
        "Batches that make one step: more need more time, no memory; auto: up to 8, fewer where that makes few steps");
    p.number("--early-stop", early_stop, 1, 1000000, "Ends after N evaluations without a lower loss than the best one")
        ->default_str("");
    std::vector<std::string> names;
    for (const ql_optimizer_info & o : optimizers()) names.push_back(o.name);
    p.choice("--optim", optim, names, {},
             "Optimizer; 8bit: a quarter of the memory for its states; paged: they are on disk, in --spill");
    p.number("--weight-decay", weight_decay, 0, 1, "Decoupled weight decay");
    p.number("--clip", clip, 0, 1e6, "Largest gradient norm; 0: no clipping");
    p.choice("--recompute", recompute, {"auto", "none", "all"}, {},
             "What is computed again rather than kept: norms and gates (auto), nothing, or whole layers; all takes the "
             "least memory and the most time. Same bits");
}

double FinetuneOptions::lr() const {
    return number_or_auto("--lr", lr_text, 1e-9, 1, false);
}
double FinetuneOptions::epochs() const {
    return number_or_auto("--epochs", epochs_text, 1e-4, 100000, false);
}
int64_t FinetuneOptions::batch() const {
    static_assert(QL_BATCH_AUTO == 0);
    return static_cast<int64_t>(number_or_auto("--batch", batch_text, 1, 4096, true));
}
int64_t FinetuneOptions::grad_accum() const {
    return static_cast<int64_t>(number_or_auto("--grad-accum", grad_accum_text, 1, 65536, true));
}

void FinetuneOptions::check_export(const std::string & model) const {
    // What is to be written, and how a program works.
    const std::string other =
        program_.given_beside({"--export-from", "--output", "--model", "--force", "--config", "--json", "--quiet",
                               "--verbose", "--threads", "--device", "--compute", "--memory", "--spill"});
    if (!other.empty())
        bad_input("%s has no meaning with --export-from, which writes what the checkpoint holds and trains nothing",
                  other.c_str());
    if (output.empty()) bad_input("-o is required: where the adapter goes (see --help)");
    std::error_code ec;
    if (!std::filesystem::exists(export_from, ec)) bad_input("--export-from: %s: not found", export_from.c_str());
    if (std::filesystem::is_directory(export_from, ec) && !has_checkpoint(export_from))
        bad_input("--export-from: %s: no checkpoint (step-*.gguf) in this folder", export_from.c_str());
    const auto folder = std::filesystem::path(output).parent_path();
    if (std::filesystem::equivalent(folder.empty() ? "." : folder, export_from, ec))
        bad_input("-o: %s lies among the checkpoints that --export-from reads; write it elsewhere", output.c_str());
    Outputs outputs;
    outputs.input("-m", model);
    outputs.input("--export-from", export_from);
    outputs.file("-o", output, OutputKind::adapter);
    outputs.check();
}

void FinetuneOptions::check(const std::string & model, bool has_spill) const {
    if (model.empty()) bad_input("--model is required (see --help)");
    if (data.empty()) bad_input("--data is required (see --help)");
    (void)lr(), (void)epochs(), (void)grad_accum();
    if (early_stop > 0 && !has_eval()) bad_input("--early-stop needs --eval-data or --eval-split");
    if (output.empty() && writes()) bad_input("-o is required: where the adapter goes (see --help)");
    if (!eval_data.empty() && eval_split > 0)
        bad_input("--eval-data and --eval-split exclude each other: give one of them");
    (void)batch();
    if (has_paged_optimizer() && !has_spill)
        bad_input("--optim: %s keeps its states on disk: name a folder for them with --spill", optim.c_str());
    if (!init_adapter.empty())
        for (const char * name : kOfNewAdapters)
            if (program_.count(name) > 0)
                bad_input("%s has no meaning with --init-adapter: the adapter decides it", name);
    if (lora_type == "miss")
        for (const char * name : {"--lora-alpha", "--lora-alpha-pattern", "--rslora", "--lora-plus-ratio"})
            if (program_.count(name) > 0)
                bad_input("%s has no meaning with --lora-type miss: its scale is 1, it has no A", name);
    if (program_.count("--dora") > 0 && program_.count("--lora-type") > 0)
        bad_input("--dora and --lora-type exclude each other: --dora is short for --lora-type dora");
    check_columns(columns, data, "-d");
    if (!plot.empty() && !plot.ends_with(".png") && !plot.ends_with(".svg"))
        bad_input("--plot: %s: pictures are .png or .svg; name one of these", plot.c_str());
    if (program_.count("--decay") > 0 && schedule != "wsd")
        bad_input("--decay has no meaning with --schedule %s: only wsd has such an end", schedule.c_str());
    if (lr_floor > 0 && schedule == "constant")
        bad_input("--lr-floor has no meaning with --schedule constant: its rate does not fall");
    if (merge_aware.empty() && merge_rounding != "auto")
        bad_input("--merge-rounding is of --merge-aware, which is not given");
    if (!merge_aware.empty() && lora_dropout > 0)
        bad_input("--merge-aware and --lora-dropout exclude each other: a merged weight has no branch to drop");
    if (!merge_aware.empty() && !train_tokens.empty())
        bad_input(
            "--merge-aware and --train-tokens exclude each other: a merge rounds the rows to the embedding's type");
    if (program_.count("--eval-every") > 0 && !has_eval()) bad_input("--eval-every needs --eval-data or --eval-split");
    if (program_.count("--steps") > 0 && program_.count("--epochs") > 0)
        bad_input("--steps and --epochs exclude each other: give one of them");
}

void FinetuneOptions::check_outputs(const std::string & model) const {
    if (show_data > 0) return;
    Outputs outputs;
    outputs.input("-m", model);
    for (const std::string & path : data) outputs.input("-d", path);
    for (const std::string & path : eval_data) outputs.input("--eval-data", path);
    outputs.input("--init-adapter", init_adapter);
    outputs.input("--chat-template", chat.name_or_file());
    outputs.input("--config", program_.config_path());
    outputs.file("-o", output, OutputKind::adapter);
    if (has_eval() && !output.empty()) outputs.file("-o (best)", best_path(), OutputKind::adapter);
    outputs.folder("--checkpoint-dir", checkpoint_path());
    outputs.file("--metrics", metrics, OutputKind::other);
    outputs.file("--plot", plot, OutputKind::other);
    outputs.check();
}

std::string FinetuneOptions::best_path() const {
    const std::string suffix = ".gguf";
    const bool has = output.size() > suffix.size() && output.ends_with(suffix);
    return (has ? output.substr(0, output.size() - suffix.size()) : output) + ".best.gguf";
}

ql_dataset_options FinetuneOptions::dataset_options(int64_t real_ctx) const {
    auto o = defaults<ql_dataset_options>();
    o.ctx = real_ctx;
    o.long_policy = long_policy == "drop" ? QL_LONG_DROP : long_policy == "error" ? QL_LONG_ERROR : QL_LONG_CUT;
    o.skip_bad_lines = skip_bad_lines;
    o.train_on = read_train_on(train_on);
    o.columns = columns.c_str();
    return o;
}

bool FinetuneOptions::has_paged_optimizer() const {
    const auto all = optimizers();
    return std::any_of(all.begin(), all.end(), [&](const ql_optimizer_info & o) { return optim == o.name && o.paged; });
}

/// Everything but paths and callbacks.
ql_train_options FinetuneOptions::train_options() const {
    auto o = defaults<ql_train_options>();
    o.ctx = ctx, o.batch = batch(), o.grad_accum = grad_accum(), o.epochs = epochs(), o.steps = steps;
    o.lr = lr(), o.warmup = warmup, o.weight_decay = weight_decay, o.clip = clip;
    o.schedule = schedule == "constant"       ? QL_SCHEDULE_CONSTANT
                 : schedule == "linear"       ? QL_SCHEDULE_LINEAR
                 : schedule == "wsd"          ? QL_SCHEDULE_WSD
                 : schedule == "inverse_sqrt" ? QL_SCHEDULE_INVERSE_SQRT
                                              : QL_SCHEDULE_COSINE;
    o.lr_floor = lr_floor, o.decay = decay, o.early_stop = early_stop;
    o.optimizer = optimizer_named(optim);
    o.lora_dropout = lora_dropout, o.lora_plus_ratio = lora_plus_ratio, o.neftune_alpha = neftune_alpha;
    o.seed = seed, o.shuffle = shuffle, o.packing = packing;
    o.recompute = recompute == "none" ? QL_RECOMPUTE_NONE : recompute == "all" ? QL_RECOMPUTE_ALL : QL_RECOMPUTE_CHEAP;
    o.eval_every = eval_every, o.save_every = save_every, o.keep = keep;
    std::error_code ec;  // a run that has ended but left no adapter is not spent
    const bool may_replace = std::filesystem::exists(output, ec);
    o.overwrite = overwrite ? QL_OVERWRITE_ALL : may_replace ? QL_OVERWRITE_FINISHED : QL_OVERWRITE_NOTHING;
    return o;
}

}  // namespace ql::cli
