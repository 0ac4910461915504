#include "tools/adapter/reduce.hpp"

#include "tools/adapter/changes.hpp"

namespace ql::cli {
namespace {

constexpr int64_t kMostRank = 1 << 16;
constexpr double kLeastEnergy = 1e-6;

/// Checks the paths, opens the adapter, makes another of it, and writes that.
template <typename Make>
void rewrite(const Program & program, Bases & bases, const std::string & input, const std::string & output,
             Changes & changes, const Make & make) {
    Outputs outputs;
    outputs.input("-m", bases.path());
    outputs.input("ADAPTER", input);
    outputs.file("-o", output, OutputKind::adapter);
    outputs.check();
    bases.open();
    const AdapterPtr adapter = bases.open_adapter(input);
    program.begin_work();
    AdapterPtr made;
    check_input(make(adapter.get(), out(made)));
    check_run(ql_adapter_save(made.get(), output.c_str()));
    changes.print(program, output, made);
}

}  // namespace

ExtractCommand::ExtractCommand(Program & program, Command & command) : program_(program) {
    command.text("--tuned", tuned_, "The model that was made of it: GGUF, or a Hugging Face directory")
        ->required()
        ->option_text("FILE");
    command.number("--rank", rank_, 1, kMostRank, "Rank of the adapter");
}

void ExtractCommand::run(Bases & bases, const std::string & output, int64_t threads) const {
    Outputs outputs;
    outputs.input("-m", bases.path());
    outputs.input("--tuned", tuned_);
    outputs.file("-o", output, OutputKind::adapter);
    outputs.check();
    bases.open();
    ModelPtr tuned;
    check_input(ql_model_open(tuned_.c_str(), nullptr, out(tuned)));
    program_.begin_work();
    Changes changes(program_, "extract");
    auto options = defaults<ql_extract_options>();
    options.rank = rank_;
    options.threads = static_cast<int>(threads);
    changes.listen(options);
    AdapterPtr made;
    check_input(ql_adapter_extract(bases.model().get(), tuned.get(), &options, out(made)));
    check_run(ql_adapter_save(made.get(), output.c_str()));
    changes.print(program_, output, made);
}

ResizeCommand::ResizeCommand(Program & program, Command & command) : program_(program) {
    command.number("--rank", rank_, 1, kMostRank, "The rank that no matrix shall exceed")->default_str("");
    command.number("--energy", energy_, kLeastEnergy, 1,
                   "Of each matrix the smallest rank that keeps this part of its squared norm");
}

void ResizeCommand::run(Bases & bases, const std::string & input, const std::string & output, int64_t threads) const {
    Changes changes(program_, "resize");
    auto options = defaults<ql_resize_options>();
    options.rank = rank_;
    options.energy = energy_;
    options.threads = static_cast<int>(threads);
    changes.listen(options);
    rewrite(program_, bases, input, output, changes,
            [&](const ql_adapter * from, ql_adapter ** to) { return ql_adapter_resize(from, &options, to); });
}

ToLoraCommand::ToLoraCommand(Program & program, Command & command) : program_(program) {
    command.number("--rank", rank_, 1, kMostRank, "The rank that no matrix of a DoRA shall exceed (default: its own)")
        ->default_str("");
}

void ToLoraCommand::run(Bases & bases, const std::string & input, const std::string & output, int64_t threads) const {
    Changes changes(program_, "to-lora");
    auto options = defaults<ql_to_lora_options>();
    options.rank = rank_;
    options.threads = static_cast<int>(threads);
    changes.listen(options);
    rewrite(program_, bases, input, output, changes,
            [&](const ql_adapter * from, ql_adapter ** to) { return ql_adapter_to_lora(from, &options, to); });
}

PruneCommand::PruneCommand(Program & program, Command & command) : program_(program) {
    command.text("--drop", drop_, "A regular expression searched for in weight names: what it finds goes")
        ->option_text("REGEX");
    command.number("--norm", least_, 0, 1e9, "Linears whose change has a smaller norm go (see info)");
    command.number("--energy", energy_, kLeastEnergy, 1,
                   "The smallest changes go, as long as the others keep this part of all squared norms");
}

void PruneCommand::run(Bases & bases, const std::string & input, const std::string & output) const {
    Changes changes(program_, "prune");
    auto options = defaults<ql_prune_options>();
    options.drop = drop_.c_str();
    options.least_norm = least_;
    options.energy = energy_;
    changes.listen(options);
    rewrite(program_, bases, input, output, changes,
            [&](const ql_adapter * from, ql_adapter ** to) { return ql_adapter_prune(from, &options, to); });
}

}  // namespace ql::cli
