// Adapters from PEFT directories. PEFT's A (r, in) and B (out, r) have our layout, innermost first [in, r] and [r,
// out]; but rows of B belong to rows of the weight, so for q and k of llama-type models they change order as the
// weight's did.
#include <filesystem>
#include <map>

#include "models/adapter/base_copy.hpp"
#include "models/adapter/formats.hpp"
#include "models/adapter/peft_config.hpp"
#include "models/files/chat_template_file.hpp"
#include "models/files/safetensors.hpp"
#include "models/files/weight_names.hpp"
#include "models/hf/rope_order.hpp"
#include "models/model/architecture.hpp"

namespace ql {
namespace {

constexpr std::string_view kPrefix = "base_model.model.", kSuffixA = ".lora_A.weight", kSuffixB = ".lora_B.weight";

struct Halves {
    const SafeTensor * a = nullptr;
    const SafeTensor * b = nullptr;
};

Status not_lora(const SafeTensor & t) {
    const char * hint = "";
    if (t.name.find("lora_embedding") != std::string::npos) hint = " (LoRA on an embedding is not supported)";
    if (t.name.find("lora_magnitude_vector") != std::string::npos) hint = " (DoRA is not supported)";
    return error(QL_UNSUPPORTED, "tensor '%.120s' is no lora_A or lora_B of a linear layer%s", t.name.c_str(), hint);
}

/// Tensors by the module they change, "model.layers.0.self_attn.q_proj".
Status collect(const SafeTensorsFile & file, const Model & model, std::map<std::string, Halves> & found) {
    for (const SafeTensor & t : file.tensors()) {
        const std::string_view name = t.name;
        if (const auto weight = copied_weight(model, name)) {
            QL_TRY(check_copy(model, *weight, t));
            continue;
        }
        if (name.ends_with(".lora_velora_embed")) continue;  // of VeLoRA's backward pass
        const bool is_a = name.ends_with(kSuffixA), is_b = name.ends_with(kSuffixB);
        if ((!is_a && !is_b) || !name.starts_with(kPrefix) || name.size() <= kPrefix.size() + kSuffixA.size())
            return not_lora(t);
        if (t.shape.size() != 2 || t.elements() == 0)
            return error(QL_BAD_FILE, "tensor '%.120s' has the shape %s, two dimensions are needed", t.name.c_str(),
                         t.shape_text().c_str());
        Halves & halves = found[t.name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffixA.size())];
        (is_a ? halves.a : halves.b) = &t;
    }
    return {};
}

/// B's rows in the order of the model's weight.
void order_rows(LoraMatrix & matrix, const Model & model) {
    if (!model.architecture().permuted(linear_of(matrix.weight))) return;
    std::vector<float> ordered(matrix.b.size());
    rows_to_gguf_order(matrix.b.data(), ordered.data(), matrix.m, static_cast<size_t>(matrix.r) * sizeof(float),
                       model.hparams().head_dim);
    matrix.b = std::move(ordered);
}

Result<LoraMatrix> read_matrix(const std::string & module, const Halves & halves, const PeftConfig & config,
                               const Model & model) {
    if (!halves.a || !halves.b)
        return error(QL_BAD_FILE, "module '%.120s' has only one of lora_A and lora_B", module.c_str());
    const auto weight = model.architecture().hf_names().gguf_name(module + ".weight");
    if (!weight)
        return error(QL_BAD_FILE, "module '%.120s' is none that the model '%s' has", module.c_str(),
                     model.name().c_str());
    LoraMatrix matrix{*weight, halves.a->shape[1], halves.b->shape[0], halves.a->shape[0], 1.0f, {}, {}};
    QL_TRY(check_fits(model, *weight, matrix.k, matrix.m, halves.a->name));
    QL_ASSIGN(const bool targeted, config.targets(module));
    if (!targeted)
        return error(
            QL_UNSUPPORTED,
            "module '%.120s' has LoRA matrices, but target_modules of adapter_config.json does not name it, so "
            "PEFT would leave them out; name it there, or take its tensors out",
            module.c_str());
    QL_ASSIGN(const PeftConfig::Scaling scaling, config.scaling(module));
    if (matrix.r != halves.b->shape[1] || matrix.r != scaling.r)
        return error(QL_BAD_FILE, "module '%.120s': lora_A has rank %lld, lora_B %lld, adapter_config.json says %lld",
                     module.c_str(), static_cast<long long>(matrix.r), static_cast<long long>(halves.b->shape[1]),
                     static_cast<long long>(scaling.r));
    matrix.scale = scaling.scale;
    QL_ASSIGN(matrix.a, read_f32(*halves.a));
    QL_ASSIGN(matrix.b, read_f32(*halves.b));
    order_rows(matrix, model);
    return matrix;
}

Status read_matrices(const SafeTensorsFile & file, const PeftConfig & config, const Model & model, Adapter & adapter) {
    std::map<std::string, Halves> found;
    QL_TRY(collect(file, model, found));
    std::vector<std::string> modules;
    for (const auto & [module, halves] : found) modules.push_back(module);
    adapter.notes = config.notes(modules);
    std::map<std::string, LoraMatrix> by_weight;
    for (const auto & [module, halves] : found) {
        QL_ASSIGN(LoraMatrix matrix, read_matrix(module, halves, config, model));
        std::string weight = matrix.weight;
        by_weight.emplace(std::move(weight), std::move(matrix));
    }
    for (const std::string & name : model.lora_weights())  // always in the model's order
        if (const auto it = by_weight.find(name); it != by_weight.end())
            adapter.matrices.push_back(std::move(it->second));
    return check_adapter(adapter, &model);
}

/// What GGUF has keys for and PEFT has no place: in __metadata__, as peft_save.cpp writes it.
Status read_words(const SafeTensorsFile & file, const PeftConfig & config, Adapter & adapter) {
    const OriginTexts & texts = file.metadata();
    const auto text = [&](const char * key, const std::string & otherwise) {
        const auto it = texts.find(key);
        return it == texts.end() ? otherwise : it->second;
    };
    adapter.name = text(kNameText, "");
    adapter.base_name = text(kBaseNameText, config.base_name());
    adapter.chat_date = text(kChatDateText, "");
    QL_TRY(check_chat_date(kChatDateText, adapter.chat_date));
    QL_ASSIGN(adapter.origin, read_origin(texts));
    adapter.origin.peft = config.unknown();
    return {};
}

/// PEFT puts every adapter but the one named "default" into a folder of its name.
Status refuse_folder_of_named(const std::string & directory) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (fs::exists(directory + "/adapter_config.json", ignored)) return {};
    std::string named;  // the first by its name
    for (fs::directory_iterator at(directory, ignored), end; at != end; at.increment(ignored)) {
        const std::string path = at->path().string();
        if (fs::exists(path + "/adapter_config.json", ignored) && (named.empty() || path < named)) named = path;
    }
    if (named.empty()) return {};
    return error(QL_NOT_FOUND, "%s: holds no adapter itself, but one in a folder of its own: %s", directory.c_str(),
                 named.c_str());
}

/// Old PEFT wrote the tensors as a Python pickle.
Status refuse_pickle(const std::string & directory, const std::string & wanted) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    const std::string pickle = directory + "/adapter_model.bin";
    if (fs::exists(wanted, ignored) || !fs::exists(pickle, ignored)) return {};
    return error(QL_UNSUPPORTED,
                 "%s: a pickle can run programs and is not read; save the adapter as safetensors (save_pretrained of "
                 "today's PEFT does)",
                 pickle.c_str());
}

}  // namespace

Result<Adapter> load_peft_adapter(const std::string & directory, const Model & model, BaseRule rule) {
    QL_TRY(refuse_folder_of_named(directory));
    QL_ASSIGN(const PeftConfig config, PeftConfig::open(directory + "/adapter_config.json"));
    const std::string path = directory + "/adapter_model.safetensors";
    QL_TRY(refuse_pickle(directory, path));
    QL_ASSIGN(const SafeTensorsFile file, SafeTensorsFile::open(path));
    Adapter adapter;
    adapter.architecture = model.hparams().arch;
    QL_ASSIGN(adapter.chat_template, read_hf_chat_template(directory));
    Status s = read_words(file, config, adapter);
    if (s.ok() && rule == BaseRule::kSame) s = check_base(adapter, model.name(), model.identity());
    if (s.ok()) s = read_matrices(file, config, model, adapter);
    if (!s.ok()) return error(s.code(), "%s: %s", path.c_str(), s.message().c_str());
    return adapter;
}

}  // namespace ql
