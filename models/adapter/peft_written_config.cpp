// r and lora_alpha are the first branch's; branches that differ are named in rank_pattern and alpha_pattern, so nothing is
// scaled and every scale comes back exactly.
#include "models/adapter/peft_written_config.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "models/adapter/formats.hpp"
#include "models/adapter/peft_config.hpp"
#include "models/adapter/peft_names.hpp"
#include "models/files/weight_names.hpp"
#include "models/json/parse_json.hpp"
#include "models/model/architecture.hpp"

namespace ql {
namespace {

Json number(double value) {  // 16 rather than 16.0 where it is whole, as PEFT writes it
    if (value == std::floor(value) && std::fabs(value) < 1e15) return static_cast<int64_t>(value);
    return value;
}

/// "q_proj" where every layer has it, else the full paths.
Result<Json> target_modules(const Adapter & adapter, const Model & model) {
    std::map<std::string, std::set<std::string>> by_kind;
    for (const LoraMatrix & m : adapter.matrices) {
        QL_ASSIGN(const std::string module, peft_module(model, m.weight));
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

/// Full paths: a name of which the end alone is given may be the end of others, too.
Result<Json> modules_to_save(const Adapter & adapter, const Model & model) {
    if (adapter.norms.empty()) return Json(nullptr);
    Json modules = Json::array();
    for (const TrainedNorm & norm : adapter.norms) {
        QL_ASSIGN(std::string module, peft_module(model, norm.weight));
        modules.push_back(std::move(module));
    }
    return modules;
}

/// The tokens of which rows are trained: a list where they are the embedding's alone, which PEFT ties to the head if the
/// model does, else one for each module.
Result<Json> token_indices(const Adapter & adapter, const Model & model) {
    Json all = Json::object();
    for (const TokenRows & rows : adapter.rows) {
        QL_ASSIGN(const std::string module, peft_module(model, rows.weight));
        all[module.substr(module.rfind('.') + 1)] = rows.ids;
    }
    if (all.empty()) return Json(nullptr);
    return adapter.rows.size() == 1 && adapter.rows[0].weight == kEmbedding ? all.front() : all;
}

/// Fields that were not known when the adapter came from a PEFT directory.
Status add_unknown(const std::string & fields, Json & config) {
    if (fields.empty()) return {};
    QL_ASSIGN(const Json unknown, parse_json(fields));
    for (const auto & [key, value] : unknown.items())
        if (!config.contains(key)) config[key] = value;
    return {};
}

struct Patterns {
    Json ranks = Json::object(), alphas = Json::object();
};

/// What sets branches apart from the first.
Result<Patterns> patterns_of(const Adapter & adapter, const Model & model) {
    const LoraMatrix & first = adapter.matrices.front();
    Patterns patterns;
    for (const LoraMatrix & m : adapter.matrices) {
        QL_ASSIGN(const std::string module, peft_module(model, m.weight));
        if (m.r != first.r) patterns.ranks[module] = m.r;
        if (plain_alpha(m) != plain_alpha(first)) patterns.alphas[module] = number(plain_alpha(m));
    }
    return patterns;
}

Result<Json> lora_config(const Adapter & adapter, const Model & model) {
    const LoraMatrix & first = adapter.matrices.front();
    QL_ASSIGN(const Patterns patterns, patterns_of(adapter, model));
    QL_ASSIGN(const Json targets, target_modules(adapter, model));
    QL_ASSIGN(const Json saved, modules_to_save(adapter, model));
    return Json{
        {"peft_type", "LORA"},
        {"task_type", "CAUSAL_LM"},
        {"base_model_name_or_path", adapter.base_name.empty() ? model.name() : adapter.base_name},
        {"r", first.r},
        {"lora_alpha", number(plain_alpha(first))},
        {"rank_pattern", patterns.ranks},
        {"alpha_pattern", patterns.alphas},
        {"target_modules", targets},
        {"lora_dropout", 0.0},
        {"bias", "none"},
        {"use_rslora", false},
        {"use_dora", first.kind == LoraKind::dora},
        {"fan_in_fan_out", false},
        {"init_lora_weights", true},
        {"modules_to_save", saved},
        {"inference_mode", true},
    };
}

/// MissConfig has one rank, and no scale.
Result<Json> miss_config(const Adapter & adapter, const Model & model) {
    const LoraMatrix & first = adapter.matrices.front();
    for (const LoraMatrix & m : adapter.matrices)
        if (m.r != first.r)
            return error(QL_UNSUPPORTED,
                         "'%s' has rank %lld, '%s' %lld: PEFT's MissConfig has one rank for all; 'ql-adapter resize "
                         "--rank R', R the largest, makes a plain LoRA of it",
                         first.weight.c_str(), static_cast<long long>(first.r), m.weight.c_str(),
                         static_cast<long long>(m.r));
    QL_ASSIGN(const Json targets, target_modules(adapter, model));
    QL_ASSIGN(const Json saved, modules_to_save(adapter, model));
    return Json{
        {"peft_type", "MISS"},
        {"task_type", "CAUSAL_LM"},
        {"base_model_name_or_path", adapter.base_name.empty() ? model.name() : adapter.base_name},
        {"r", first.r},
        {"mini_r", 1},
        {"target_modules", targets},
        {"miss_dropout", 0.0},
        {"bias", "none"},
        {"init_weights", true},
        {"modules_to_save", saved},
        {"inference_mode", true},
    };
}

/// Rows of tokens and the invocation: fields of LoRA alone.
Status add_tokens(const Adapter & adapter, const Model & model, Json & config) {
    QL_ASSIGN(const Json tokens, token_indices(adapter, model));
    if (!tokens.is_null() && adapter.matrices.front().kind == LoraKind::miss)
        return error(QL_UNSUPPORTED, "rows of tokens beside a MiSS: PEFT's MissConfig has no trainable_token_indices");
    if (!tokens.is_null()) config["trainable_token_indices"] = tokens;
    if (!adapter.invocation.empty()) config["alora_invocation_tokens"] = adapter.invocation;
    return {};
}

}  // namespace

Result<std::string> peft_module(const Model & model, const std::string & weight) {
    const auto name = model.architecture().hf_names().hf_name(weight);
    if (!name) return error(QL_UNSUPPORTED, "'%s' has no Hugging Face name", weight.c_str());
    return name->substr(0, name->size() - std::string_view(".weight").size());
}

Result<std::string> peft_config_text(const Adapter & adapter, const Model & model) {
    const bool is_miss = adapter.matrices.front().kind == LoraKind::miss;
    QL_ASSIGN(Json config, is_miss ? miss_config(adapter, model) : lora_config(adapter, model));
    QL_TRY(add_tokens(adapter, model, config));
    QL_TRY(add_unknown(adapter.origin.peft, config));
    QL_TRY(PeftConfig::read("adapter_config.json", JsonFile("adapter_config.json", config), model.hparams().arch)
               .status());
    return config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ql
