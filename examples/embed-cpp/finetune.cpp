// What examples/embed-c/finetune.c does, through the library's C++ face: handles own their objects, errors are values.
//
//   c++ -std=c++20 finetune.cpp $(pkg-config --cflags --libs ql-models) -o finetune
//   ./finetune model.gguf data.jsonl adapter.gguf
#include <cstdio>

#include "ql/models.hpp"

namespace {

volatile int interrupted = 0;  // the signal's number after Ctrl-C

struct Example {  // what is declared last is freed first
    ql::DevicePtr device;
    ql::ModelPtr model;
    ql::DatasetPtr data;
    ql::AdapterPtr adapter;
};

/// Model, data and a new adapter.
ql::Status open(Example & e, const char * model, const char * data) {
    auto model_options = ql::defaults<ql_model_options>();
    model_options.base_type = QL_BASE_AUTO;  // a model in 16 or 32 bits is trained in 4
    auto lora_options = ql::defaults<ql_lora_options>();
    lora_options.r = 8;
    QL_TRY(ql_device_open(nullptr, ql::out(e.device)));
    QL_TRY(ql_model_open(model, &model_options, ql::out(e.model)));
    QL_TRY(ql_dataset_open(data, e.model.get(), nullptr, ql::out(e.data)));
    QL_TRY(ql_adapter_create(e.model.get(), &lora_options, ql::out(e.adapter)));
    auto info = ql::sized<ql_dataset_info>();
    QL_TRY(ql_dataset_describe(e.data.get(), &info));
    std::printf("%d samples, %d tokens, %d of them trained\n", static_cast<int>(info.n_samples),
                static_cast<int>(info.n_tokens), static_cast<int>(info.n_trained));
    return {};
}

ql_train_options train_options() {
    auto options = ql::defaults<ql_train_options>();
    options.ctx = 128;
    options.grad_accum = 2;
    options.steps = 60;
    options.lr = 5e-3;
    options.on_log = [](void *, const char * line) { std::printf("%s\n", line); };
    options.on_progress = [](void *, const ql_train_progress * p) {
        std::printf("step %d of %d  loss %.4f  %.0f tokens/s\n", static_cast<int>(p->step),
                    static_cast<int>(p->n_steps), p->loss, p->tok_s);
        return 0;  // another value would stop the run
    };
    options.cancelled = [](void *) -> int { return interrupted; };
    return options;
}

/// Trains the adapter in place and saves it. After Ctrl-C the file holds what was learned until then.
ql::Status train(const Example & e, const char * path) {
    QL_TRY(ql_os_check_writable(path));  // now rather than after the training
    const ql_train_options options = train_options();
    ql::TrainerPtr trainer;
    QL_TRY(ql_trainer_create(e.model.get(), e.device.get(), e.adapter.get(), e.data.get(), nullptr, &options,
                             ql::out(trainer)));
    auto info = ql::sized<ql_trainer_info>();
    QL_TRY(ql_trainer_describe(trainer.get(), &info));
    std::printf("%d steps, %.1f MB planned\n", static_cast<int>(info.n_steps),
                static_cast<double>(info.planned_peak_bytes) / 1e6);

    ql_os_catch_interrupt(&interrupted);
    const ql::Status status = ql_trainer_run(trainer.get());
    ql_os_catch_interrupt(nullptr);
    if (!status.ok() && status.code() != QL_CANCELLED) return status;
    QL_TRY(ql_adapter_save(e.adapter.get(), path));
    std::printf("saved %s\n", path);
    return {};
}

/// Asks for the answer of the first sample, with the adapter applied, and prints it token by token.
ql::Status ask(const Example & e) {
    const ql_adapter * const adapters[] = {e.adapter.get()};
    auto session_options = ql::defaults<ql_session_options>();
    session_options.adapters = adapters;
    session_options.n_adapters = 1;
    ql::SessionPtr session;
    QL_TRY(ql_session_create(e.model.get(), e.device.get(), &session_options, ql::out(session)));

    const char *prompt = nullptr, *answer = nullptr;
    QL_TRY(ql_dataset_prompt(e.data.get(), 0, &prompt, &answer));
    std::printf("expected:  %s\ngenerated: ", answer);
    QL_ASSIGN(const std::vector<int32_t> tokens,  // the control tokens that the template wrote count as such
              ql::tokenize(ql_model_tokenizer(e.model.get()), prompt, QL_TOKENIZE_PARSE_SPECIAL));
    auto options = ql::defaults<ql_generate_options>();
    options.n_predict = 64;
    options.sampling.temperature = 0;  // the most probable token each time
    options.on_token = [](void *, const ql_generated * token) {
        std::fputs(token->piece, stdout);
        std::fflush(stdout);
        return 0;
    };
    QL_ASSIGN(const ql_generate_result result, ql::generate(session, tokens, options));
    std::printf("\n%d tokens in %.2f s\n", static_cast<int>(result.n_generated), result.generation_seconds);
    return {};
}

ql::Status run(char ** argv) {
    Example e;
    QL_TRY(open(e, argv[1], argv[2]));
    QL_TRY(train(e, argv[3]));
    return interrupted ? ql::Status() : ask(e);
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: finetune model.gguf data.jsonl adapter.gguf\n");
        return 2;
    }
    const ql::Status status = run(argv);
    if (!status.ok()) std::fprintf(stderr, "finetune: %s\n", status.message().c_str());
    return status.ok() ? 0 : 1;
}
