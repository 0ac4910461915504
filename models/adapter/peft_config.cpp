#include "models/adapter/peft_config.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_set>

#include "models/files/file_fault.hpp"

namespace ql {
namespace {

/// A setting that changes what the adapter computes or carries.
struct Refused {
    const char * key;
    const char * why;
};

std::string text_of(const Json & value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// true, a number but 0, a non-empty list or object, or another string than "none" is a setting in use.
bool in_use(const Json & value) {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number()) return value.get<double>() != 0;
    if (value.is_string()) return value != "none" && value != "";
    return !value.is_null() && !value.empty();
}

/// What only true and false can say.
constexpr Refused kRefusedFlags[] = {
    {"use_qalora", "QALoRA"},
    {"lora_bias", "a bias on B"},
    {"fan_in_fan_out", "transposed weights"},
};

constexpr Refused kRefused[] = {
    {"bias", "trained biases"},      {"layer_replication", "replicated layers"}, {"arrow_config", "routed experts"},
    {"kasa_config", "KaSA"},         {"monteclora_config", "MonteCLoRA"},        {"use_bdlora", "block-diagonal LoRA"},
    {"megatron_config", "Megatron"},
};

/// Fields that do not affect what the finished adapter computes: its tensors say which modules it changes.
constexpr HarmlessKey kHarmlessFields[] = {
    {"task_type"},      {"auto_mapping"},        {"peft_version"},    {"revision"},
    {"inference_mode"}, {"lora_dropout"},        {"miss_dropout"},    {"mini_r"},  // of init_weights "mini" alone
    {"corda_config"},  // of an init_lora_weights, which decides
    {"eva_config"},     {"loftq_config"},        {"lora_ga_config"},  {"velora_config"},  // another backward pass
    {"megatron_core"},  {"qalora_group_size"},                                            // read with use_qalora alone
    {"runtime_config"}, {"ensure_weight_tying"}, {"unsloth_version"},
};

/// Initialisations that change the base model too: the adapter alone is then not what was trained.
Status refuse_changed_base(const JsonFile & config) {
    const Json & init = config.at("init_lora_weights");
    if (!init.is_string()) return {};
    const auto name = init.get<std::string>();
    for (const char * harmless : {"gaussian", "eva", "orthogonal", "mica"})
        if (name == harmless) return {};
    return error(QL_UNSUPPORTED,
                 "init_lora_weights '%.40s' changes the base model; save the adapter converted to plain LoRA",
                 name.c_str());
}

/// MiSS's other variants multiply the weight itself, or share numbers between outputs.
Status refuse_miss_variants(const JsonFile & config) {
    const Json & init = config.at("init_weights");
    if (!init.is_string()) return {};
    return error(QL_UNSUPPORTED,
                 "init_weights '%.40s' is a variant of MiSS that is not supported; merge it in PEFT (merge_and_unload) "
                 "and use the model that makes",
                 init.get<std::string>().c_str());
}

Result<LoraKind> read_kind(const JsonFile & config) {
    if (!config.has("peft_type") && (config.has("lora_parameters") || config.has("fine_tune_type")))
        return error(QL_UNSUPPORTED,
                     "this is an MLX adapter (lora_parameters, no peft_type), which is not supported; GGUF adapters "
                     "and PEFT directories are");
    std::string type;
    QL_TRY(config.text("peft_type", type));
    bool is_dora = false;
    if (type == "MISS") {
        QL_TRY(refuse_miss_variants(config));
        return LoraKind::miss;
    }
    if (type != "LORA")
        return error(QL_UNSUPPORTED, "peft_type '%.40s' is not supported, only LORA and MISS are", type.c_str());
    QL_TRY(config.flag("use_dora", is_dora, false));
    return is_dora ? LoraKind::dora : LoraKind::lora;
}

Status unsupported(const Refused & row, const Json & value) {
    return error(QL_UNSUPPORTED,
                 "%s (%s: %.80s) is not supported, only LoRA, DoRA and MiSS on linears are; merge it in PEFT "
                 "(merge_and_unload) and use the model that makes",
                 row.why, row.key, text_of(value).c_str());
}

Status refuse_variants(const JsonFile & config) {
    for (const Refused & row : kRefusedFlags) {
        bool is_on = false;
        QL_TRY(config.flag(row.key, is_on, false));
        if (is_on) return unsupported(row, config.at(row.key));
    }
    for (const Refused & row : kRefused)
        if (in_use(config.at(row.key))) return unsupported(row, config.at(row.key));
    return refuse_changed_base(config);
}

/// PEFT itself passes over fields it does not know. One that switches something on is a method that came later, and
/// the adapter without it is not what was trained, whatever its word for true is.
Status refuse_switches(const Json & unknown) {
    for (const auto & [key, value] : unknown.items())
        if (key.starts_with("use_") && in_use(value))
            return error(QL_UNSUPPORTED,
                         "'%.60s' is switched on (%.60s), which is not known here and may change what is computed",
                         key.c_str(), text_of(value).c_str());
    return {};
}

/// PEFT names a module by the end of its path.
bool is_named(const std::string & module, const std::string & name) {
    return module == name || module.ends_with("." + name);
}

constexpr size_t kMostNotes = 16;
constexpr size_t kMaxPatterns = 4096;  // every module is tried with every pattern; large models have a thousand linears

bool is_rank(double r) {
    return r >= 1 && r <= 1 << 20 && r == std::floor(r);
}

}  // namespace

Status PeftConfig::read_patterns(const JsonFile & config, const char * key, Patterns & patterns) {
    if (!config.has(key)) return {};
    if (!config.has_object(key)) return config.wrong(key, "must be an object");
    if (config.at(key).size() > kMaxPatterns)
        return error(QL_BAD_FILE, "'%s' has %zu patterns, %zu are possible", key, config.at(key).size(), kMaxPatterns);
    const JsonFile part = config.part(key);
    for (const auto & [pattern, value] : config.at(key).items()) {
        double number = 0;
        QL_TRY(part.number(pattern.c_str(), number));
        // PEFT matches a pattern against the end of the module's path, from a dot or the beginning on.
        QL_ASSIGN(Regex regex, Regex::compile("^(.*\\.)?(" + pattern + ")$"));
        patterns.emplace_back(std::move(regex), number);
    }
    return {};
}

/// A rank that patterns take the place of everywhere is never used.
Status PeftConfig::read_rank(const JsonFile & config) {
    QL_TRY(config.number("r", r_));
    const bool may_be_unused = kind_ != LoraKind::miss && !config.at("rank_pattern").empty();
    return is_rank(r_) || may_be_unused ? Status() : config.wrong("r", "must be a whole number from 1 to 1048576");
}

Status PeftConfig::read_scales(const JsonFile & config) {
    QL_TRY(config.number("lora_alpha", alpha_));
    QL_TRY(config.flag("use_rslora", rslora_, false));
    QL_TRY(read_patterns(config, "rank_pattern", r_patterns_));
    return read_patterns(config, "alpha_pattern", alpha_patterns_);
}

/// A list of tokens is of the embedding; an object has one for each module.
Status PeftConfig::read_tokens(const JsonFile & config) {
    const Json & tokens = config.at("trainable_token_indices");
    const auto read = [&](const std::string & module, const Json & list) -> Status {
        if (!list.is_array()) return config.wrong("trainable_token_indices", "must hold lists of tokens");
        std::vector<int32_t> & ids = tokens_[module];
        for (const Json & id : list) {
            if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
                return config.wrong("trainable_token_indices", "must hold tokens' numbers");
            ids.push_back(id.get<int32_t>());
        }
        return {};
    };
    if (tokens.is_null() || tokens.empty()) return {};
    if (!tokens.is_object()) return read("embed_tokens", tokens);
    for (const auto & [module, list] : tokens.items()) QL_TRY(read(module, list));
    return {};
}

Status PeftConfig::read_invocation(const JsonFile & config) {
    const Json & tokens = config.at("alora_invocation_tokens");
    if (tokens.is_null()) return {};
    if (!tokens.is_array() || tokens.empty())
        return config.wrong("alora_invocation_tokens", "must be a list of tokens");
    for (const Json & id : tokens) {
        if (!id.is_number_integer() || id < 0 || id > INT32_MAX)
            return config.wrong("alora_invocation_tokens", "must hold tokens' numbers");
        invocation_.push_back(id.get<int32_t>());
    }
    return {};
}

const std::vector<int32_t> * PeftConfig::tokens(const std::string & module) const {
    for (const auto & [name, ids] : tokens_)
        if (is_named(module, name)) return &ids;
    return nullptr;
}

Status PeftConfig::keep_unknown(const Json & fields) {
    QL_TRY(refuse_switches(fields));
    if (fields.empty()) return {};
    unknown_ = text_of(fields);
    if (unknown_.size() > kMostUnknownBytes)
        return error(QL_BAD_FILE, "%zu bytes of fields that are not known here, %zu are possible", unknown_.size(),
                     kMostUnknownBytes);
    for (const auto & [key, value] : fields.items()) {
        if (notes_.size() == kMostNotes) {
            notes_.push_back(format("adapter_config.json: and %zu more fields", fields.size() - kMostNotes));
            break;
        }
        notes_.push_back(format("adapter_config.json: '%.60s' (%.60s) is not known here: kept, not followed",
                                key.c_str(), text_of(value).c_str()));
    }
    return {};
}

std::vector<std::string> PeftConfig::notes(const std::vector<std::string> & modules) const {
    std::unordered_set<std::string_view> ends;  // of the modules' paths, from each dot on
    for (const std::string_view module : modules) {
        ends.insert(module);
        for (size_t dot = module.find('.'); dot != module.npos; dot = module.find('.', dot + 1))
            ends.insert(module.substr(dot + 1));
    }
    std::vector<std::string> notes = notes_;
    for (const std::string & name : modules_.targets())
        if (!ends.contains(name) && notes.size() <= 2 * kMostNotes)
            notes.push_back(format("adapter_config.json: target_modules names '%.80s', of which there are no tensors",
                                   name.c_str()));
    return notes;
}

Result<double> PeftConfig::first_match(const Patterns & patterns, const std::string & module, double otherwise) {
    for (const auto & [regex, value] : patterns) {
        QL_ASSIGN(const bool found, regex.found_in(module));
        if (found) return value;
    }
    return otherwise;
}

Result<PeftConfig> PeftConfig::open(const std::string & path, std::string_view architecture) {
    QL_ASSIGN(const JsonFile file, JsonFile::open(path));
    return read(path, file, architecture);
}

Result<PeftConfig> PeftConfig::read(const std::string & path, const JsonFile & file, std::string_view architecture) {
    PeftConfig config;
    const auto fields = [&]() -> Status {
        QL_ASSIGN(config.kind_, read_kind(file));
        QL_TRY(refuse_variants(file));
        QL_TRY(config.read_rank(file));
        if (config.kind_ != LoraKind::miss) QL_TRY(config.read_scales(file));
        QL_ASSIGN(config.modules_, PeftModules::read(file, architecture));
        QL_TRY(config.read_tokens(file));
        QL_TRY(config.read_invocation(file));
        QL_TRY(file.text("base_model_name_or_path", config.base_name_, ""));
        return config.keep_unknown(file.unread(kHarmlessFields));
    };
    Status s = fields();
    if (s.code() == QL_INVALID_ARGUMENT) s = error(QL_BAD_FILE, "%s", s.message().c_str());  // of a regular expression
    QL_TRY(file_fault(path, s));
    return config;
}

Result<PeftConfig::Scaling> PeftConfig::scaling(const std::string & module) const {
    QL_ASSIGN(const double r, first_match(r_patterns_, module, r_));
    QL_ASSIGN(const double alpha, first_match(alpha_patterns_, module, alpha_));
    if (!is_rank(r))
        return error(QL_BAD_FILE, "adapter_config.json says that the rank of '%.80s' is %g", module.c_str(), r);
    if (kind_ == LoraKind::miss) return Scaling{static_cast<int64_t>(r), 1.0f};
    const auto scale = static_cast<float>(alpha / (rslora_ ? std::sqrt(r) : r));
    if (!std::isfinite(scale))
        return error(QL_BAD_FILE, "adapter_config.json says that the alpha of '%.80s' is %g, which is too large",
                     module.c_str(), alpha);
    return Scaling{static_cast<int64_t>(r), scale};
}

}  // namespace ql
