// Adapters to PEFT directories: the inverse of peft_load.cpp. r and lora_alpha are the first branch's; branches that
// differ are named in rank_pattern and alpha_pattern, so nothing is scaled and every scale comes back exactly.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "models/adapter/formats.hpp"
#include "models/adapter/peft_config.hpp"
#include "models/files/safetensors.hpp"
#include "models/files/weight_names.hpp"
#include "models/hf/rope_order.hpp"
#include "models/json/parse_json.hpp"
#include "models/model/architecture.hpp"
#include "ql/ql.hpp"

namespace ql {
namespace {

/// "blk.0.attn_q.weight" -> "model.layers.0.self_attn.q_proj".
Result<std::string> module_of(const Model & model, const std::string & weight) {
    const auto name = model.architecture().hf_names().hf_name(weight);
    if (!name) return error(QL_UNSUPPORTED, "'%s' has no Hugging Face name", weight.c_str());
    return name->substr(0, name->size() - std::string_view(".weight").size());
}

Json number(double value) {  // 16 rather than 16.0 where it is whole, as PEFT writes it
    if (value == std::floor(value) && std::fabs(value) < 1e15) return static_cast<int64_t>(value);
    return value;
}

/// "q_proj" where every layer has it, else the full paths.
Result<Json> target_modules(const Adapter & adapter, const Model & model) {
    std::map<std::string, std::set<std::string>> by_kind;
    for (const LoraMatrix & m : adapter.matrices) {
        QL_ASSIGN(const std::string module, module_of(model, m.weight));
        by_kind[module.substr(module.rfind('.') + 1)].insert(module);
    }
    Json targets = Json::array();
    for (const auto & [kind, modules] : by_kind) {
        const bool everywhere = static_cast<int64_t>(modules.size()) == model.hparams().n_layer();
        if (everywhere) targets.push_back(kind);
        for (const std::string & module : modules)
            if (!everywhere) targets.push_back(module);
    }
    return targets;
}

/// Fields that were not known when the adapter came from a PEFT directory.
Status add_unknown(const std::string & fields, Json & config) {
    if (fields.empty()) return {};
    QL_ASSIGN(const Json unknown, parse_json(fields));
    for (const auto & [key, value] : unknown.items())
        if (!config.contains(key)) config[key] = value;
    return {};
}

/// What PEFT's config has no place for; a GGUF file made of the directory is the same byte by byte.
OriginTexts texts_of(const Adapter & adapter) {
    OriginTexts texts = origin_texts(adapter.origin);
    texts.erase("qlora.peft_fields");  // in the config
    texts[kBaseNameText] = adapter.base_name;
    if (!adapter.name.empty()) texts[kNameText] = adapter.name;
    if (!adapter.chat_date.empty()) texts[kChatDateText] = adapter.chat_date;
    return texts;
}

Result<std::string> config_text(const Adapter & adapter, const Model & model) {
    const LoraMatrix & first = adapter.matrices.front();
    Json ranks = Json::object(), alphas = Json::object();
    for (const LoraMatrix & m : adapter.matrices) {
        QL_ASSIGN(const std::string module, module_of(model, m.weight));
        if (m.r != first.r) ranks[module] = m.r;
        if (plain_alpha(m) != plain_alpha(first)) alphas[module] = number(plain_alpha(m));
    }
    QL_ASSIGN(const Json targets, target_modules(adapter, model));
    Json config = {
        {"peft_type", "LORA"},
        {"task_type", "CAUSAL_LM"},
        {"base_model_name_or_path", adapter.base_name.empty() ? model.name() : adapter.base_name},
        {"r", first.r},
        {"lora_alpha", number(plain_alpha(first))},
        {"rank_pattern", ranks},
        {"alpha_pattern", alphas},
        {"target_modules", targets},
        {"lora_dropout", 0.0},
        {"bias", "none"},
        {"use_rslora", false},
        {"use_dora", false},
        {"fan_in_fan_out", false},
        {"init_lora_weights", true},
        {"modules_to_save", nullptr},
        {"inference_mode", true},
    };
    QL_TRY(add_unknown(adapter.origin.peft, config));
    QL_TRY(PeftConfig::read("adapter_config.json", JsonFile("adapter_config.json", config)).status());
    return config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<float> hf_ordered_b(const LoraMatrix & m, const Model & model) {
    std::vector<float> b = m.b;
    if (model.architecture().permuted(linear_of(m.weight)))
        rows_to_hf_order(m.b.data(), b.data(), m.m, static_cast<size_t>(m.r) * sizeof(float), model.hparams().head_dim);
    return b;
}

Status write_weights(const Adapter & adapter, const Model & model, const std::string & path) {
    std::vector<std::vector<float>> bs;
    for (const LoraMatrix & m : adapter.matrices) bs.push_back(hf_ordered_b(m, model));
    std::vector<F32Tensor> tensors;
    for (size_t i = 0; i < bs.size(); ++i) {
        const LoraMatrix & m = adapter.matrices[i];
        QL_ASSIGN(const std::string module, module_of(model, m.weight));
        tensors.push_back({"base_model.model." + module + ".lora_A.weight", {m.r, m.k}, m.a.data()});
        tensors.push_back({"base_model.model." + module + ".lora_B.weight", {m.m, m.r}, bs[i].data()});
    }
    return write_safetensors(path, tensors, texts_of(adapter));
}

}  // namespace

Status save_peft(const Adapter & adapter, const Model & model, const std::string & directory) {
    QL_TRY(check_adapter(adapter, &model));
    if (adapter.matrices.front().kind == LoraKind::dora || !adapter.norms.empty())
        return error(QL_UNSUPPORTED, "%s: a DoRA, or trained norms, are not written as a PEFT directory",
                     directory.c_str());
    QL_ASSIGN(const std::string config, config_text(adapter, model));
    QL_TRY(ql_os_make_directory(directory.c_str()));
    QL_TRY(write_weights(adapter, model, directory + "/adapter_model.safetensors"));
    if (!adapter.chat_template.empty()) QL_TRY(write_file(directory + "/chat_template.jinja", adapter.chat_template));
    QL_TRY(write_file(directory + "/adapter_config.json", config));  // last: with it the directory counts as an adapter
    auto read = load_peft_adapter(directory, model, BaseRule::kAny);
    return read.ok() ? Status()
                     : error(QL_INTERNAL, "the adapter just written cannot be read back: %s", read.message().c_str());
}

}  // namespace ql
