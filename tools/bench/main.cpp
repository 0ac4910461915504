// ql-bench: what this machine could do, and what this program makes of it. Figures are rates: median and smallest of
// several runs, and the median's part of the machine's limit (products in registers, or reading from memory). Where the
// model to measure is not at hand, make-model writes a random one of its shape.
#include "ql/dtypes.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/model_shapes.hpp"

namespace ql::cli {
namespace {

constexpr const char * kExamples =
    "  ql-bench peak\n"
    "  ql-bench train -m model.gguf\n"
    "  ql-bench infer -m model.gguf --lora adapter.gguf --json\n"
    "  ql-bench infer -m model.gguf --sequences 2 --lora a.gguf --lora b.gguf --prompt 32\n"
    "  ql-bench op mul_mat --type nf4_dq --shape 576,1536,512\n"
    "  ql-bench op attention_back\n"
    "  ql-bench error -m model.gguf -f text.txt\n"
    "  ql-bench make-model --shape llama-1.1b -o model.gguf\n"
    "  ql-bench roofline --device cuda-emu --card rtx4090 --shape smollm2-135m";
constexpr double kPeakSeconds = 0.7, kQuickPeakSeconds = 0.3;

class Bench {
  public:
    Bench() : program_("ql-bench", "Measures this machine and this program.", kExamples), device_options_(program_) {
        program_.take_one_subcommand();
        program_.seed(seed_)->description("Seed of the weights that make-model writes");
        add("peak", "Product instructions and read bandwidth of this machine", [this] { print(peak()); });
        Command & op = add("op", "One operator", [this] { print(one_op()); });
        op.text("name", op_.name, "mul_mat, attention, attention_back ...")->required()->option_text("NAME");
        op.text("--type", op_.type, "Of the weight: " + weight_names(" or ") + " (default: several)");
        op.numbers("--shape", op_.shape, 3, 1, 1 << 20, "Row length, rows, tokens (default: several)")
            ->option_text("K,M,T");
        add_train();
        add_infer();
        add_error();
        add_make_model();
        add_roofline();
    }

    int main(int argc, char ** argv) {
        return program_.run(argc, argv, [this] {
            for (const auto & [command, body] : bodies_) {
                if (!command->given()) continue;
                body();
                return static_cast<int>(kDone);
            }
            bad_input("one of peak, op, train, infer, error, make-model, roofline is needed (see --help)");
        });
    }

  private:
    using Body = std::function<void()>;

    Command & add(const char * name, const char * help, Body body) {
        Command * command = program_.add_subcommand(name, help);
        bodies_.emplace_back(command, std::move(body));
        return *command;
    }

    void add_train() {
        Command & command = add("train", "Steps of fine-tuning on made-up text", [this] { print(train()); });
        train_model_ = std::make_unique<ModelOptions>(program_, false, &command);
        command
            .text("--base-type", base_type_, "Type of the frozen weights: auto, keep, " + weight_target_names(" or "))
            ->option_text("TYPE");
        command.number("-c,--ctx", train_.ctx, 8, 1 << 20, "Tokens of a sequence");
        command.number("--batch", train_.batch, 1, 4096, "Sequences at a time");
        command.number("--steps", train_.steps, 1, 100000, "Steps measured, after one that warms up");
        command.number("--lora-r", train_.lora_r, 1, 1024, "Rank of the adapter");
        command.choice("--lora-type", train_.lora_type, {"lora", "miss", "dora"}, {}, "What is trained");
        command.flag("--profile", train_.profile, "Also where the time of a step goes, by operator (on stderr)");
    }

    void add_infer() {
        Command & command = add("infer", "Reading a prompt, and generating", [this] { print(infer()); });
        infer_model_ = std::make_unique<ModelOptions>(program_, true, &command);
        command.number("--prompt", infer_.prompt, 1, 1 << 20, "Tokens of the prompt");
        command.number("--generate", infer_.generation, 1, 1 << 20, "Tokens to generate");
        command.number("--repeats", infer_.repeats, 1, 1000, "Runs measured, after one that warms up");
        command.number("--sequences", infer_.sequences, 1, 1024,
                       "Read and generate at once, each with one of the adapters by turns");
        command.flag("--profile", infer_.profile, "Also shows where the time goes, by operator (on stderr)");
    }

    void add_error() {
        Command & command = add("error", "What products of bf16 and of integers lose on a text, by layer", [this] {
            refuse_budget();
            bench_error(program_, open_train_model(*error_model_), device_options_, error_);
        });
        error_model_ = std::make_unique<ModelOptions>(program_, false, &command);
        command
            .text("--base-type", base_type_, "Type of the frozen weights: auto, keep, " + weight_target_names(" or "))
            ->option_text("TYPE");
        command.text("-f,--file", error_.file, "A text; its first tokens are taken")->required()->option_text("FILE");
        command.number("-c,--ctx", error_.ctx, 8, 1 << 20, "Tokens of a sequence");
        command.number("--steps", error_.steps, 1, 1000, "Steps of training, of one sequence each");
    }

    void add_make_model() {
        Command & command =
            add("make-model", "A model of random weights, of the Llama, Qwen or Gemma kind, to measure on", [this] {
                refuse_budget();
                make_model(program_, make_, seed_);
            });
        command
            .text("--shape", make_.shape,
                  "One of " + model_shape_names() + "; or a config.json as Hugging Face models have it")
            ->required()
            ->option_text("NAME|FILE.json");
        command
            .text("--type", make_.type,
                  "Of the blocks' matrices: " + weight_names(" or ") + "; embedding and head are q8_0")
            ->option_text("TYPE");
        command.text("-o,--output", make_.output, "The file to write")->required()->option_text("FILE.gguf");
    }

    void add_roofline() {
        Command & command = add("roofline", "The least time of a step of training on a card, from counts", [this] {
            refuse_budget();
            roofline(program_, device_options_, *roofline_model_, roofline_, seed_);
        });
        roofline_model_ = std::make_unique<ModelOptions>(program_, false, &command, false);
        command.text("--card", roofline_.card, "One of " + card_names())->required()->option_text("NAME");
        command.text("--shape", roofline_.shape, "In place of -m: a shape as make-model knows it")
            ->option_text("NAME|FILE.json");
        command.text("--type", roofline_.type, "Of that shape's matrices: " + weight_names(" or "))
            ->option_text("TYPE");
        command.number("--tokens", roofline_.tokens, 8, 1 << 20, "Of the step: one sequence");
        command.number("--lora-r", roofline_.lora_r, 1, 1024, "Rank of the adapter");
    }

    void print(const std::vector<Figure> & figures) const { print_figures(program_, figures); }
    void open_device() { device_ = device_options_.open(); }
    Limits limits(double seconds) {
        program_.begin_work();
        program_.detail("measuring the machine's limits");
        return measure_limits(DeviceOptions::describe(device_), seconds);
    }

    /// Only work on a model takes a budget.
    void refuse_budget() const {
        if (device_options_.memory() || device_options_.spill())
            bad_input("--memory and --spill are for train and infer, which load a model");
    }
    std::vector<Figure> peak() {
        refuse_budget();
        open_device();
        return limits(kPeakSeconds).figures;
    }
    std::vector<Figure> one_op() {
        check_op(op_.name);
        refuse_budget();
        open_device();
        return bench_op(device_, op_, limits(kQuickPeakSeconds));
    }
    /// As ql-finetune opens it.
    ModelPtr open_train_model(const ModelOptions & model, const char * spill = nullptr) const {
        auto options = defaults<ql_model_options>();
        options.base_type = parse_base_type("--base-type", base_type_, true);
        options.embedding_type = QL_BASE_AUTO;
        options.spill = spill;
        return model.open(&options);
    }
    std::vector<Figure> train() {
        train_.memory = device_options_.memory(), train_.spill = device_options_.spill();
        open_device();
        const ModelPtr model = open_train_model(*train_model_, train_.memory ? train_.spill : nullptr);
        return bench_train(program_, model, device_, train_, [this] { return limits(kQuickPeakSeconds); });
    }
    std::vector<Figure> infer() {
        open_device();
        const ModelPtr model = infer_model_->open(device_options_);
        const ModelOptions::Loras loras = infer_model_->open_loras(model);
        infer_.cache_type = device_options_.cache_type();
        infer_.memory = device_options_.memory();
        const auto bench = infer_.sequences > 1 ? bench_batch : bench_infer;
        return bench(model, device_, loras, infer_, limits(kQuickPeakSeconds));
    }

    Program program_;
    DeviceOptions device_options_;
    std::unique_ptr<ModelOptions> train_model_, infer_model_, error_model_, roofline_model_;
    std::vector<std::pair<const Command *, Body>> bodies_;
    DevicePtr device_;
    OpBench op_;
    TrainBench train_;
    InferBench infer_;
    ErrorBench error_;
    MakeModel make_;
    Roofline roofline_;
    std::string base_type_ = "auto";
    uint64_t seed_ = 42;
};

}  // namespace
}  // namespace ql::cli

int main(int argc, char ** argv) {
    return ql::cli::Bench().main(argc, argv);
}
