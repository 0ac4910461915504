#include "tools/cli/device_options.hpp"

#include <map>

#include "ql/dtypes.hpp"
#include "tools/cli/scaled_path.hpp"
#include "tools/cli/units.hpp"

namespace ql::cli {
namespace {

const std::map<std::string, ql_compute> kComputes = {{"auto", QL_COMPUTE_AUTO},
                                                     {"f32", QL_COMPUTE_F32},
                                                     {"bf16", QL_COMPUTE_BF16},
                                                     {"int8", QL_COMPUTE_INT8},
                                                     {"int16", QL_COMPUTE_INT16}};

}  // namespace

DeviceOptions::DeviceOptions(Program & program, bool with_budget) : program_(program) {
    program.threads(threads_);
    program
        .text("--device", device_, "auto, cpu, or another backend that is installed; several (A,B) share the layers")
        ->option_text("NAME");
    program.choice(
        "--compute", compute_, {"auto", "f32", "bf16", "int16", "int8"}, {},
        "How products are computed; f32 also keeps keys and values in f32; integers are for frozen weights alone");
    if (!with_budget) return;
    budget_ = program
                  .text("--memory", memory_,
                        "Memory that the process may take, such as 300MiB or cpu=6GiB: weights that do not fit are "
                        "read from the "
                        "model's file when they are needed; vulkan:0=2GiB: what a device may")
                  ->may_be_empty()  // says what a size looks like
                  ->option_text("SIZE");
    program
        .text("--spill", spill_,
              "Folder for what is kept on disk: under --memory converted weights and inputs of layers, of a paged "
              "optimizer "
              "its states")
        ->option_text("DIR");
}

/// What is wrong with a budget comes first.
void DeviceOptions::check_budget() const {
    const bool limited = memory() > 0;
    if (spill_.empty()) return;
    if (!limited && needs_memory_) bad_input("--spill needs --memory: without a budget everything stays in memory");
    SpillPtr spill;
    check_input(ql_os_spill_open(spill_.c_str(), out(spill)));
}

DevicePtr DeviceOptions::open_as(const std::string & compute) const {
    check_budget();
    if (budget_ && budget_->count() > 0) limit_devices(memory_, device_);
    auto options = defaults<ql_device_options>();
    options.name = device_.c_str();
    options.threads = static_cast<int>(threads_);
    options.compute = kComputes.at(compute);
    DevicePtr device;
    check_input(ql_device_open(&options, out(device)));
    program_.detail(line(describe(device)));
    return device;
}

std::string DeviceOptions::line(const ql_device_info & info) {
    const char * products = multiplies_integers(info) ? info.product : info.bf16 ? "bf16" : "f32";
    return format("device   %s: %s, %s kernels, products in %s, %d thread%s", info.backend, info.chip, info.isa,
                  products, info.threads, info.threads == 1 ? "" : "s");
}

bool DeviceOptions::multiplies_integers(const ql_device_info & info) {
    return std::string_view(info.product).starts_with("int");
}

ql_device_info DeviceOptions::describe(const DevicePtr & device) {
    auto info = sized<ql_device_info>();
    check_run(ql_device_describe(device.get(), &info));
    return info;
}

ModelOptions::ModelOptions(Program & program, bool with_lora, Command * to, bool required) : program_(program) {
    Command & command = to ? *to : program;
    command
        .text("-m,--model", path_, "The model: a GGUF file (of a sharded one the first), or a Hugging Face directory")
        ->required(required)
        ->option_text("FILE");
    if (!with_lora) return;
    command.texts("--lora", loras_, "An adapter (GGUF, or PEFT directory) and its scale; may be given several times")
        ->option_text("FILE[:SCALE]")
        ->one_each_time();
    command
        .text("--base-type", base_type_,
              "Type of the weights, as ql-finetune's: keep (as in the file), auto (in 16 or 32 bits nf4_dq), " +
                  weight_target_names(" or "))
        ->option_text("TYPE");
    command.flag("--force", any_base_, "Takes adapters that were trained on another base too");
}

ModelPtr ModelOptions::open(const DeviceOptions & device) const {
    auto options = defaults<ql_model_options>();
    options.base_type = parse_base_type("--base-type", base_type_, true);
    if (device.memory()) options.spill = device.spill();
    return open(&options);
}

ModelPtr ModelOptions::open(const ql_model_options * options) const {
    const auto kept = defaults<ql_model_options>();
    ModelPtr model;
    check_input(ql_model_open(path_.c_str(), options ? options : &kept, out(model)));
    for (int64_t i = 0; const char * note = ql_model_note(model.get(), i); ++i)
        program_.note(std::string("note: ") + note);
    const ql_model_info info = describe(model);
    program_.detail(format("model    %s: %s, %lld layers, %lld wide, %s parameters, %s", info.name, info.architecture,
                           static_cast<long long>(info.n_layer), static_cast<long long>(info.n_embd),
                           print_count(info.n_parameters).c_str(), info.base_type));
    return model;
}

ql_model_info ModelOptions::describe(const ModelPtr & model) {
    auto info = sized<ql_model_info>();
    check_run(ql_model_describe(model.get(), &info));
    return info;
}

AdapterPtr open_adapter(const Program & program, const std::string & path, const ModelPtr & model, bool any_base) {
    AdapterPtr adapter;
    const auto open_any = [&] { return ql_adapter_open_any_base(path.c_str(), model.get(), out(adapter)); };
    if (any_base) {
        check_input(open_any());
    } else if (const Status same = ql_adapter_open(path.c_str(), model.get(), out(adapter)); !same.ok()) {
        if (open_any() == QL_OK) bad_input("%s; --force uses it all the same", same.message().c_str());
        check_input(same);
    }
    say_notes(program, adapter);
    return adapter;
}

void say_notes(const Program & program, const AdapterPtr & adapter) {
    for (int64_t i = 0; const char * note = ql_adapter_note(adapter.get(), i); ++i)
        program.note(std::string("note: ") + note);
}

ModelOptions::Loras ModelOptions::open_loras(const ModelPtr & model) const {
    Loras loras;
    for (const std::string & spec : loras_) {
        const auto [path, scale] = parse_scaled_path("--lora", spec);
        AdapterPtr & adapter = loras.owners.emplace_back(open_adapter(program_, path, model, any_base_));
        loras.adapters.push_back(adapter.get());
        loras.scales.push_back(scale);
        loras.paths.push_back(path);
    }
    return loras;
}

SessionPtr open_session(const ModelPtr & model, const DevicePtr & device, const ModelOptions::Loras & loras,
                        const SessionSettings & settings) {
    auto options = defaults<ql_session_options>();
    options.ctx = settings.ctx;
    options.adapters = loras.adapters.data(), options.adapter_scales = loras.scales.data();
    options.n_adapters = loras.n();
    options.cache_type = settings.cache_type;
    options.memory = settings.memory;
    SessionPtr session;
    check_run(within_budget(ql_session_create(model.get(), device.get(), &options, out(session)), settings.memory));
    return session;
}

/// The last one that says how its conversations were rendered; null: none does.
const ql_adapter * ModelOptions::Loras::renderer() const {
    for (auto it = adapters.rbegin(); it != adapters.rend(); ++it)
        if (*ql_adapter_chat_template(*it) || *ql_adapter_chat_template_kwargs(*it)) return *it;
    return nullptr;
}

std::string ModelOptions::Loras::chat_template(const ModelPtr & model) const {
    const std::string text = ql_adapter_chat_template(renderer());
    return text == ql_model_chat_template(model.get()) ? "" : text;
}

std::string ModelOptions::Loras::chat_kwargs() const {
    return ql_adapter_chat_template_kwargs(renderer());
}

std::string ModelOptions::Loras::chat_date() const {
    for (auto it = adapters.rbegin(); it != adapters.rend(); ++it)
        if (const std::string date = ql_adapter_chat_date(*it); !date.empty()) return date;
    return "";
}

int64_t parse_base_type(const std::string & option, const std::string & name, bool auto_and_keep) {
    if (auto_and_keep && name == "auto") return QL_BASE_AUTO;
    if (auto_and_keep && name == "keep") return QL_BASE_KEEP;
    ql_dtype dtype;
    if (ql_dtype_from_name(name.c_str(), &dtype) != QL_OK)
        bad_input("%s: '%.60s' is unknown; %s%s are", option.c_str(), name.c_str(), auto_and_keep ? "auto, keep, " : "",
                  weight_target_names().c_str());
    if (!ql_dtype_is_weight(dtype))
        bad_input("%s: %s is no type of weights; %s are", option.c_str(), ql_dtype_name(dtype),
                  weight_target_names().c_str());
    if (!ql_dtype_can_encode(dtype))
        bad_input("%s: %s can be read only; %s can be written", option.c_str(), ql_dtype_name(dtype),
                  weight_target_names().c_str());
    return dtype;
}

}  // namespace ql::cli
