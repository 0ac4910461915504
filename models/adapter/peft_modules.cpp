#include "models/adapter/peft_modules.hpp"

#include <algorithm>
#include <charconv>

#include "models/adapter/peft_names.hpp"

namespace ql {
namespace {

constexpr size_t kMostNames = 4096;

/// A list of names; one name counts as a list of it where `one_too`.
Status read_names(const JsonFile & config, const char * key, bool one_too, std::vector<std::string> & names) {
    const Json & value = config.at(key);
    if (value.is_string() && one_too) names.push_back(value.get<std::string>());
    if (value.is_null() || (value.is_string() && one_too)) return {};
    if (!value.is_array()) return config.wrong(key, "must be a list of names");
    if (value.size() > kMostNames)
        return error(QL_BAD_FILE, "'%s' has %zu names, %zu are possible", key, value.size(), kMostNames);
    for (const Json & name : value) {
        if (!name.is_string()) return config.wrong(key, "must hold names");
        names.push_back(name.get<std::string>());
    }
    return {};
}

/// A list of names, or a regular expression of whole paths.
Status read_names_or_pattern(const JsonFile & config, const char * key, std::vector<std::string> & names,
                             std::optional<Regex> & pattern) {
    const Json & value = config.at(key);
    if (!value.is_string()) return read_names(config, key, false, names);
    QL_ASSIGN(pattern, Regex::compile("^(?:" + value.get<std::string>() + ")$"));
    return {};
}

/// Architectures for which PEFT 0.21.2 has targets where target_modules is null: these two of each
/// (TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING, of the model types that the architectures have).
constexpr std::string_view kWithDefaults[] = {"llama", "qwen2", "qwen3", "gemma2", "gemma3"};
constexpr const char * kDefaultTargets[] = {"q_proj", "v_proj"};

/// A number, or a list of them.
Status read_layers(const JsonFile & config, const char * key, std::vector<int64_t> & layers) {
    const Json & value = config.at(key);
    const Json list = value.is_array() ? value : value.is_null() ? Json::array() : Json::array({value});
    for (const Json & layer : list) {
        if (!layer.is_number_integer()) return config.wrong(key, "must hold numbers of layers");
        layers.push_back(layer.get<int64_t>());
    }
    return {};
}

/// PEFT refuses a parameter that is neither a matrix nor a stack of them; stacks are experts'.
Status check_parameters(const JsonFile & config, const std::vector<std::string> & parameters) {
    for (const std::string & name : parameters)
        if (!name.ends_with(kPeftWeight))
            return error(
                QL_UNSUPPORTED,
                "LoRA on bare parameters (target_parameters: %.80s) is not supported but on weights of linears, "
                "such as 'q_proj.weight'; merge it in PEFT (merge_and_unload) and use the model that makes",
                config.at("target_parameters").dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    return {};
}

bool ends_with_path(const std::string & path, const std::string & name) {
    return path == name || path.ends_with("." + name);
}

bool any_ends(const std::string & path, const std::vector<std::string> & names) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string & name) { return ends_with_path(path, name); });
}

}  // namespace

/// An empty list names nothing.
Status PeftModules::read_targets(const JsonFile & config, std::string_view architecture) {
    all_ = config.at("target_modules") == "all-linear";
    if (all_) return {};
    if (config.has("target_modules")) return read_names_or_pattern(config, "target_modules", targets_, target_pattern_);
    if (std::find(std::begin(kWithDefaults), std::end(kWithDefaults), architecture) != std::end(kWithDefaults))
        defaults_.assign(std::begin(kDefaultTargets), std::end(kDefaultTargets));
    if (!defaults_.empty() || !parameters_.empty()) return {};
    return error(QL_BAD_FILE,
                 "'target_modules' is null, and PEFT has no modules that it takes then of a model of architecture "
                 "'%.40s'; name them there",
                 std::string(architecture).c_str());
}

Result<PeftModules> PeftModules::read(const JsonFile & config, std::string_view architecture) {
    PeftModules m;
    QL_TRY(read_names(config, "target_parameters", false, m.parameters_));
    QL_TRY(check_parameters(config, m.parameters_));
    QL_TRY(m.read_targets(config, architecture));
    QL_TRY(read_names_or_pattern(config, "exclude_modules", m.excluded_, m.excluded_pattern_));
    QL_TRY(read_names(config, "modules_to_save", false, m.saved_));
    QL_TRY(read_layers(config, "layers_to_transform", m.layers_));
    QL_TRY(read_names(config, "layers_pattern", true, m.layers_patterns_));
    return m;
}

bool PeftModules::saves(const std::string & module) const {
    return std::any_of(saved_.begin(), saved_.end(), [&](const std::string & name) { return module.ends_with(name); });
}

/// A module that is trained whole, or inside of one, takes no LoRA.
bool PeftModules::excluded_by_saved(const std::string & module) const {
    return std::any_of(saved_.begin(), saved_.end(), [&](const std::string & name) {
        return ("." + module + ".").find("." + name + ".") != std::string::npos;
    });
}

Result<bool> PeftModules::excluded(const std::string & module) const {
    if (excluded_by_saved(module) || any_ends(module, excluded_)) return true;
    return excluded_pattern_ ? excluded_pattern_->found_in(module) : Result<bool>(false);
}

/// The first number in the path is the layer's; a module without one is in no layer.
bool PeftModules::in_layers(const std::string & module) const {
    if (layers_.empty()) return true;
    for (size_t dot = module.find('.'); dot != module.npos; dot = module.find('.', dot + 1)) {
        int64_t layer = 0;
        const auto [end, fault] = std::from_chars(module.data() + dot + 1, module.data() + module.size(), layer);
        if (fault != std::errc() || end == module.data() + module.size() || *end != '.') continue;
        const std::string before = module.substr(0, dot);
        return (layers_patterns_.empty() ? before.find('.') != before.npos : any_ends(before, layers_patterns_)) &&
               std::find(layers_.begin(), layers_.end(), layer) != layers_.end();
    }
    return false;
}

Result<bool> PeftModules::targeted(const std::string & module) const {
    if (all_) return in_layers(module);
    if (target_pattern_) return target_pattern_->found_in(module);
    if (std::find(targets_.begin(), targets_.end(), module) != targets_.end()) return true;  // in whatever layer
    return (any_ends(module, targets_) || any_ends(module, defaults_)) && in_layers(module);
}

Result<std::optional<std::string>> PeftModules::target(const std::string & module) const {
    using Name = std::optional<std::string>;
    QL_ASSIGN(const bool left_out, excluded(module));
    if (left_out) return Name();
    QL_ASSIGN(const bool named, targeted(module));
    if (named) return Name(module);
    const std::string weight = module + std::string(kPeftWeight);
    return any_ends(weight, parameters_) ? Name(weight) : Name();
}

}  // namespace ql
