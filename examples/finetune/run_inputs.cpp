#include "examples/finetune/run_inputs.hpp"

#include <algorithm>

#include "examples/finetune/train_on.hpp"
#include "tools/cli/data_options.hpp"
#include "tools/cli/outputs.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {

void RunInputs::open_device() {
    template_ = o_.chat.read_template();
    device = device_options_.open();
}

void RunInputs::open_model() {
    auto options = defaults<ql_model_options>();
    options.base_type = parse_base_type("--base-type", o_.base_type, true);
    if (device_options_.memory()) options.spill = device_options_.spill();
    options.embedding_type = parse_base_type("--embeddings", o_.embeddings, true);
    options.search = o_.search;
    if (o_.show_data > 0) {  // only its tokenizer is needed
        options.base_type = options.embedding_type = QL_BASE_KEEP;
        options.search = 0;
    }
    model = model_options_.open(&options);
    const ql_model_info info = ModelOptions::describe(model);
    ctx = o_.ctx > 0 ? o_.ctx : std::min<int64_t>(512, info.n_ctx);
    if (ctx > info.n_ctx)
        bad_input("--ctx: %lld is out of range; 8 to %lld are possible with this model", static_cast<long long>(ctx),
                  static_cast<long long>(info.n_ctx));
}

void RunInputs::open_datasets() {
    data = read_data("data", o_.data);
    warn_of_missing_ends();
    tell_date();
    for (int64_t i = 0; const char * note = ql_dataset_note(data.get(), i); ++i)
        program_.note(std::string("note: ") + note);
    if (!o_.eval_data.empty()) eval = read_data("held out", o_.eval_data);
    if (o_.eval_split <= 0) return;
    check_input(ql_dataset_split(data.get(), o_.eval_split, o_.seed, out(eval)));
    auto rest = sized<ql_dataset_info>(), held_out = sized<ql_dataset_info>();
    check_input(ql_dataset_describe(data.get(), &rest));
    check_input(ql_dataset_describe(eval.get(), &held_out));
    program_.note(format("split    %s samples to train on, %s held out", print_count(rest.n_samples).c_str(),
                         print_count(held_out.n_samples).c_str()));
}

DatasetPtr RunInputs::read_data(const char * what, const std::vector<std::string> & paths) {
    ql_dataset_options options = o_.dataset_options(ctx);
    const char * learned = ql_adapter_chat_template(adapter.get());  // the template of --init-adapter stays in use
    if (o_.chat.given())
        options.chat_template = template_.c_str();
    else if (learned && *learned)
        options.chat_template = learned;
    const std::string date = o_.chat.date().empty() ? ql_adapter_chat_date(adapter.get()) : o_.chat.date();
    options.date = date.empty() ? nullptr : date.c_str();
    const std::string kwargs = o_.chat.kwargs(ql_adapter_chat_template_kwargs(adapter.get()));  // of --init-adapter
    options.chat_template_kwargs = kwargs.c_str();
    DatasetPtr read = open_data(paths, model, options);
    auto info = sized<ql_dataset_info>();
    check_input(ql_dataset_describe(read.get(), &info));
    std::string line =
        format("%-8s %s: %s samples, %s tokens, %s of them trained, longest %s", what, name_files(paths, info).c_str(),
               print_count(info.n_samples).c_str(), print_count(info.n_tokens).c_str(),
               print_count(info.n_trained).c_str(), print_count(info.longest).c_str());
    if (info.n_cut) line += "; " + print_count(info.n_cut) + " cut to --ctx";
    if (info.n_dropped)
        line +=
            "; " + print_count(info.n_dropped) +
            (o_.long_policy == "cut" ? " dropped: cut to --ctx, nothing was left of the answer; a larger --ctx keeps it"
                                     : " dropped: longer than --ctx");
    if (info.n_untemplated)
        line +=
            "; " + print_count(info.n_untemplated) +
            " without the chat template, as prompt and completion are raw: question and answer get it, as in a chat";
    program_.note(line);
    note_bad_lines(program_, read, info);
    return read;
}

void RunInputs::warn_of_missing_ends() const {
    auto info = sized<ql_dataset_info>();
    check_input(ql_dataset_describe(data.get(), &info));
    if (info.n_ended > 0) return;
    if (info.n_cut < info.n_samples && trains_parts(read_train_on(o_.train_on)))
        return program_.note("note: no end of turn is among what --train-on " + o_.train_on +
                             " trains: the model will stop as it did before");
    const char * why = info.n_cut == info.n_samples
                           ? "all are cut; use a larger --ctx"
                           : "neither the chat template nor the model names one; use another --chat-template, or "
                             "name eos_token in the model's tokenizer_config.json";
    program_.note(
        format("warning: no sample has an end token that is trained, so the model will not learn to "
               "stop: %s",
               why));
}

void RunInputs::tell_date() const {
    auto info = sized<ql_dataset_info>();
    check_input(ql_dataset_describe(data.get(), &info));
    if (*info.date) program_.note(format("date     %s, for the chat template asks for the day (--date)", info.date));
}

void RunInputs::make_adapter() {
    if (!o_.init_adapter.empty()) {
        adapter = open_adapter(program_, o_.init_adapter, model, o_.force);
    } else {
        auto options = defaults<ql_lora_options>();
        options.r = o_.lora_r, options.alpha = o_.lora_alpha, options.rslora = o_.rslora;
        options.kind = o_.lora_type.c_str(), options.norms = o_.train_norms;
        options.tokens = o_.train_tokens.c_str(), options.invocation = o_.alora_invocation.c_str();
        options.targets = o_.targets.c_str(), options.seed = o_.seed;
        options.layers = o_.layers.c_str();
        options.rank_pattern = o_.rank_pattern.c_str(), options.alpha_pattern = o_.alpha_pattern.c_str();
        options.init = o_.lora_init == "eva" ? "default" : o_.lora_init.c_str();
        options.threads = DeviceOptions::describe(device).threads;
        const double begin = ql_os_seconds();
        check_input(ql_adapter_create(model.get(), &options, out(adapter)));
        if (o_.lora_init == "pissa" || o_.lora_init == "loftq")
            program_.note(format("start    %s, %.1f s", o_.lora_init.c_str(), ql_os_seconds() - begin));
    }
    if (o_.chat.given())
        check_input(ql_adapter_set_chat_template(adapter.get(), template_.c_str()));  // the file will carry it
}

void RunInputs::start_eva() {
    auto options = defaults<ql_eva_options>();
    options.ctx = ctx, options.batch = std::max<int64_t>(o_.batch(), 1), options.seed = o_.seed;
    options.shuffle = o_.shuffle, options.packing = o_.packing;
    const double begin = ql_os_seconds();
    check_input(ql_adapter_start_eva(adapter.get(), model.get(), device.get(), data.get(), &options));
    program_.note(format("start    eva, %.1f s", ql_os_seconds() - begin));
}

/// 4 bytes a value.
void RunInputs::check_space() const {
    auto info = sized<ql_adapter_info>();
    check_run(ql_adapter_describe(adapter.get(), &info));
    uint64_t values = static_cast<uint64_t>(info.n_parameters);
    for (int64_t i = 0; i < info.n_matrices; ++i) {  // a file also holds what of a matrix is not trained
        auto m = sized<ql_adapter_matrix_info>();
        check_run(ql_adapter_matrix(adapter.get(), i, &m));
        values += static_cast<uint64_t>(m.k * m.r);
    }
    const auto bytes = 4 * values + (1 << 16);
    check_free_space(o_.output, bytes * (o_.has_eval() ? 2 : 1), "the adapter");
}

}  // namespace ql::cli
