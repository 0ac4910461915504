// ql-adapter: shows, checks, composes, merges, extracts and reduces adapters, and converts them to PEFT and back.
#include "ql/dtypes.hpp"
#include "tools/adapter/merge.hpp"
#include "tools/adapter/reduce.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

constexpr const char * kExamples =
    "  ql-adapter info adapter.gguf\n"
    "  ql-adapter check -m model.gguf adapter.gguf\n"
    "  ql-adapter check --for llama.cpp adapter.gguf\n"
    "  ql-adapter compose style.gguf:0.7 facts.gguf:0.5 -o both.gguf\n"
    "  ql-adapter compose style.gguf:0.7 facts.gguf:-0.3 --method ties_svd --density 0.5 --rank 16 -o both.gguf\n"
    "  ql-adapter merge -m model.gguf --lora adapter.gguf --type q8_0 -o merged.gguf\n"
    "  ql-adapter extract -m base.gguf --tuned tuned.gguf --rank 32 -o adapter.gguf\n"
    "  ql-adapter resize adapter.gguf --rank 8 -o smaller.gguf\n"
    "  ql-adapter prune adapter.gguf --energy 0.95 -o fewer.gguf\n"
    "  ql-adapter to-lora -m model.gguf dora.gguf --rank 32 -o lora.gguf\n"
    "  ql-adapter to-peft -m model.gguf adapter.gguf -o adapter-peft\n"
    "  ql-adapter from-peft -m model.gguf adapter-peft -o adapter.gguf";

std::vector<ql_compose_method_info> compose_methods() {
    std::vector<ql_compose_method_info> all;
    auto info = sized<ql_compose_method_info>();
    for (int64_t i = 0; ql_compose_method(i, &info) == QL_OK; ++i, info.size = sizeof(info)) all.push_back(info);
    return all;
}

constexpr const char * kForceHelp = "Takes adapters that were trained on another base too";

class AdapterProgram {
  public:
    AdapterProgram()
        : program_("ql-adapter", "Looks at adapters, checks, composes, merges, extracts, reduces and converts them.",
                   kExamples) {
        program_.take_one_subcommand();
        program_.seed(seed_)->description("Seed of the methods that drop values at random");
        add(
            "info", "What an adapter is, and where it comes from", false, "ADAPTER", [this] { info(); }, nullptr);
        add_check();
        program_.threads(threads_);
        add_compose();
        add_merge();
        add_extract();
        add_reductions();
        add_conversion("to-peft", "Writes a PEFT directory", "DIR", [this] { convert(ql_adapter_save_peft, true); });
        add_conversion("from-peft", "Reads a PEFT directory, writes a GGUF adapter", "FILE.gguf",
                       [this] { convert(ql_adapter_save, false); });
    }

    int main(int argc, char ** argv) {
        return program_.run(argc, argv, [this] {
            for (Entry & c : commands_) {
                if (!c.command->given()) continue;
                command_ = &c;
                c.body();
                return static_cast<int>(kDone);
            }
            bad_input(
                "one of info, check, compose, merge, extract, resize, prune, to-lora, to-peft, from-peft is needed "
                "(see "
                "--help)");
        });
    }

  private:
    struct Entry {
        Command * command;
        std::unique_ptr<Bases> bases;
        std::function<void()> body;
    };

    Command & add(const char * name, const char * help, bool needs_model, const char * inputs,
                  std::function<void()> body, const char * force_help = kForceHelp) {
        Command & command = *program_.add_subcommand(name, help);
        commands_.push_back(
            {&command, std::make_unique<Bases>(program_, command, needs_model, force_help), std::move(body)});
        if (inputs) add_inputs(command, inputs);
        return command;
    }
    void add_inputs(Command & command, const std::string & inputs) {
        const bool several = inputs.find("...") != std::string::npos;
        Option * in = command.texts("adapter", inputs_, several ? "Adapters, each with its weight" : "The adapter");
        in->required()->option_text(inputs);
        if (!several) in->single();
    }
    void add_output(Command & command, const char * what) {
        command.text("-o,--output", output_, "What to write; an existing file is replaced, at the very end")
            ->required()
            ->option_text(what);
    }
    void add_conversion(const char * name, const char * help, const char * output, std::function<void()> body) {
        add_output(add(name, help, true, "ADAPTER", std::move(body)), output);
    }
    void add_check() {
        Command & command = add("check", "Whether it fits a model, or another program, and what in it is untrained",
                                false, "ADAPTER", [this] { check(); });
        command.text("--for", consumer_, "What that program does with each linear")
            ->option_text("llama.cpp")
            ->check([](const std::string & word) {
                return word == "llama.cpp" ? std::string() : "'" + word + "' is unknown; llama.cpp is";
            });
    }
    void add_compose() {
        Command & command =
            add("compose", "Makes one adapter of several", false, "ADAPTER[:WEIGHT]...", [this] { compose(); });
        add_output(command, "FILE.gguf");
        std::string help = "How:";
        for (const ql_compose_method_info & m : compose_methods())
            help += std::string("\n") + m.name + ": " + m.meaning;
        command.text("--method", method_, help)->option_text("NAME");
        command
            .number("--rank", rank_, 1, 1 << 16,
                    "Rank, for the methods that end in svd (default: the largest of the parts)")
            ->default_str("");
        command.number("--density", density_, 1e-6, 1,
                       "Part of the values that is kept, for the methods that drop some");
    }

    void add_merge() {
        Command & command = add(
            "merge", "Writes the model with adapters merged into its weights", true, nullptr,
            [this] { merge_->run(*command_->bases, output_, threads_); },
            "Into a type of few bits too, which keeps little of a small change, and adapters that were "
            "trained on another base");
        merge_ = std::make_unique<MergeCommand>(program_, command);
        add_output(command, "FILE.gguf");
    }

    void add_extract() {
        Command & command = add("extract", "Makes an adapter of the difference of two models", true, nullptr,
                                [this] { extract_->run(*command_->bases, output_, threads_); });
        extract_ = std::make_unique<ExtractCommand>(program_, command);
        add_output(command, "FILE.gguf");
    }
    void add_reductions() {
        Command & resize = add("resize", "Lowers the ranks, losing as little as possible", false, "ADAPTER",
                               [this] { resize_->run(*command_->bases, inputs_[0], output_, threads_); });
        resize_ = std::make_unique<ResizeCommand>(program_, resize);
        add_output(resize, "FILE.gguf");
        Command & to_lora =
            add("to-lora", "Makes a plain LoRA of a DoRA, losing as little as possible, or of a MiSS", true, "ADAPTER",
                [this] { to_lora_->run(*command_->bases, inputs_[0], output_, threads_); });
        to_lora_ = std::make_unique<ToLoraCommand>(program_, to_lora);
        add_output(to_lora, "FILE.gguf");
        Command & prune = add("prune", "Leaves linears out", false, "ADAPTER",
                              [this] { prune_->run(*command_->bases, inputs_[0], output_); });
        prune_ = std::make_unique<PruneCommand>(program_, prune);
        add_output(prune, "FILE.gguf");
    }

    AdapterPtr open_one() {
        command_->bases->open();
        return command_->bases->open_adapter(inputs_[0]);
    }

    void info() {
        const AdapterPtr adapter = open_one();
        print_info(program_, inputs_[0], adapter, *command_->bases);
    }

    void check() {
        if (command_->bases->path().empty() && consumer_.empty())
            bad_input("check: --model is needed, or --for a program");
        const AdapterPtr adapter = open_one();
        print_check(program_, inputs_[0], adapter, *command_->bases, consumer_);
    }

    void compose() {
        Outputs outputs;
        const std::vector<ScaledPath> named = name_adapters("ADAPTER", inputs_, outputs);
        outputs.file("-o", output_, OutputKind::adapter);
        outputs.check();
        auto options = defaults<ql_compose_options>();
        options.method = method_.c_str();
        options.rank = rank_;
        options.density = density_;
        options.seed = seed_;
        options.threads = static_cast<int>(threads_);
        command_->bases->open();
        const AdapterPtr adapter = command_->bases->compose(named, options);
        check_run(ql_adapter_save(adapter.get(), output_.c_str()));
        print_written(adapter);
    }

    void convert(ql_status (*save)(const ql_adapter *, const char *), bool to_folder) {
        Outputs outputs;
        outputs.input("-m", command_->bases->path());
        outputs.input("ADAPTER", inputs_[0]);
        to_folder ? outputs.folder("-o", output_) : outputs.file("-o", output_, OutputKind::adapter);
        outputs.check();
        const AdapterPtr adapter = open_one();
        program_.begin_work();
        check_run(save(adapter.get(), output_.c_str()));
        print_written(adapter);
    }

    void print_written(const AdapterPtr & adapter) const {
        const ql_adapter_info info = describe(adapter);
        if (program_.json)
            program_.print({{"file", output_},
                            {"matrices", info.n_matrices},
                            {"r_min", info.r_min},
                            {"r_max", info.r_max},
                            {"parameters", info.n_parameters}});
        else
            std::printf("%s\n", summary(output_, adapter).c_str());
    }

    Program program_;
    std::vector<Entry> commands_;
    Entry * command_ = nullptr;
    std::vector<std::string> inputs_;
    std::string output_, method_ = "cat";
    int64_t rank_ = 0;
    double density_ = 1;
    uint64_t seed_ = 42;
    int64_t threads_ = 0;
    std::string consumer_;
    std::unique_ptr<MergeCommand> merge_;
    std::unique_ptr<ExtractCommand> extract_;
    std::unique_ptr<ResizeCommand> resize_;
    std::unique_ptr<ToLoraCommand> to_lora_;
    std::unique_ptr<PruneCommand> prune_;
};

}  // namespace
}  // namespace ql::cli

int main(int argc, char ** argv) {
    return ql::cli::AdapterProgram().main(argc, argv);
}
