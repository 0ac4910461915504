// Adapters from PEFT directories: the files of one, and what they make together.
#include <filesystem>
#include <map>

#include "models/adapter/formats.hpp"
#include "models/adapter/kinds/kind.hpp"
#include "models/adapter/peft_tensors.hpp"
#include "models/files/chat_template_file.hpp"

namespace ql {
namespace {

Status read_tensors(const SafeTensorsFile & file, const PeftConfig & config, const Model & model, Adapter & adapter) {
    QL_ASSIGN(PeftTensors tensors, sort_tensors(file, config, model));
    adapter.norms = std::move(tensors.norms);
    adapter.rows = std::move(tensors.rows);
    std::vector<std::string> modules;
    for (const auto & [module, its] : tensors.linears) modules.push_back(module);
    adapter.notes = config.notes(modules);
    std::map<std::string, LoraMatrix> by_weight;
    for (const auto & [module, its] : tensors.linears) {
        QL_ASSIGN(LoraMatrix matrix, read_branch(module, its, config, model));
        if (its.weight)
            adapter.notes.push_back(
                format("'%.80s' was trained whole: held as what it adds to the base's, a LoRA of rank %lld",
                       module.c_str(), static_cast<long long>(matrix.r)));
        std::string weight = matrix.weight;
        by_weight.emplace(std::move(weight), std::move(matrix));
    }
    for (const std::string & name : model.lora_weights())  // always in the model's order
        if (const auto it = by_weight.find(name); it != by_weight.end()) {
            if (const auto fill = def_of(it->second.kind).fill) fill(it->second, adapter.matrices);
            adapter.matrices.push_back(std::move(it->second));
        }
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
    adapter.chat_kwargs = text(kChatKwargsText, "");
    QL_TRY(check_chat_kwargs(kChatKwargsText, adapter.chat_kwargs));
    QL_ASSIGN(adapter.origin, read_origin(texts));
    adapter.origin.peft = config.unknown();
    adapter.invocation = config.invocation();
    return {};
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

/// PEFT puts every adapter but the one named "default" into a folder of its name.
Status check_peft_folder(const std::string & directory) {
    namespace fs = std::filesystem;
    std::error_code ignored;
    if (fs::exists(directory + "/adapter_config.json", ignored)) return {};
    std::string named;  // the first by its name
    for (fs::directory_iterator at(directory, ignored), end; at != end; at.increment(ignored)) {
        const std::string path = at->path().string();
        if (fs::exists(path + "/adapter_config.json", ignored) && (named.empty() || path < named)) named = path;
    }
    if (named.empty())
        return error(QL_NOT_FOUND, "%s: adapter_config.json is missing: this folder is no PEFT adapter",
                     directory.c_str());
    return error(QL_NOT_FOUND, "%s: holds no adapter itself, but one in a folder of its own: %s", directory.c_str(),
                 named.c_str());
}

Result<Adapter> load_peft_adapter(const std::string & directory, const Model & model, BaseRule rule) {
    QL_TRY(check_peft_folder(directory));
    QL_ASSIGN(const PeftConfig config, PeftConfig::open(directory + "/adapter_config.json", model.hparams().arch));
    const std::string path = directory + "/adapter_model.safetensors";
    QL_TRY(refuse_pickle(directory, path));
    QL_ASSIGN(const SafeTensorsFile file, SafeTensorsFile::open(path));
    Adapter adapter;
    adapter.architecture = model.hparams().arch;
    QL_ASSIGN(adapter.chat_template, read_hf_chat_template(directory));
    Status s = read_words(file, config, adapter);
    if (s.ok() && rule == BaseRule::kSame) s = check_base(adapter, model.name(), model.identity());
    if (s.ok()) s = read_tensors(file, config, model, adapter);
    if (!s.ok()) return error(s.code(), "%s: %s", path.c_str(), s.message().c_str());
    return adapter;
}

}  // namespace ql
