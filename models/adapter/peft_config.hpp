// adapter_config.json: kind, modules, and which rank and scale each has; what computes something else is refused.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/adapter/kinds/lora_matrix.hpp"
#include "models/adapter/peft_modules.hpp"
#include "models/adapter/regex.hpp"
#include "models/files/json_file.hpp"

namespace ql {

inline constexpr size_t kMostUnknownBytes = size_t{1} << 20;  // of all unknown fields, as JSON

class PeftConfig {
  public:
    /// architecture: of the model
    static Result<PeftConfig> open(const std::string & path, std::string_view architecture);
    static Result<PeftConfig> read(const std::string & path, const JsonFile & file, std::string_view architecture);

    struct Scaling {
        int64_t r;
        float scale;
    };
    LoraKind kind() const { return kind_; }
    const PeftModules & modules() const { return modules_; }
    /// Of a module by the name that PeftModules::target gives it.
    /// errors  QL_BAD_FILE, without a path
    Result<Scaling> scaling(const std::string & module) const;
    /// The tokens of which a module's rows are trained, in the order of the rows; null for a module without such.
    const std::vector<int32_t> * tokens(const std::string & module) const;
    /// Modules, by the ends of their paths, that have such tokens.
    size_t n_token_modules() const { return tokens_.size(); }
    /// The tokens from which on an activated LoRA acts; empty for another.
    const std::vector<int32_t> & invocation() const { return invocation_; }
    const std::string & base_name() const { return base_name_; }
    /// Fields that are not known here, as a JSON object, or "": kept through a round trip, not followed.
    const std::string & unknown() const { return unknown_; }
    /// One line for each unknown field, and for names in target_modules that none of the modules answers to.
    std::vector<std::string> notes(const std::vector<std::string> & modules) const;

  private:
    using Patterns = std::vector<std::pair<Regex, double>>;
    Status read_patterns(const JsonFile & config, const char * key, Patterns & patterns);
    Status read_rank(const JsonFile & config);
    Status read_scales(const JsonFile & config);
    Status read_tokens(const JsonFile & config);
    Status read_invocation(const JsonFile & config);
    static Result<double> first_match(const Patterns & patterns, const std::string & module, double otherwise);

    std::string base_name_;
    Status keep_unknown(const Json & fields);

    std::string unknown_;
    std::vector<std::string> notes_;
    double r_ = 0, alpha_ = 0;
    bool rslora_ = false;
    LoraKind kind_ = LoraKind::lora;
    PeftModules modules_;
    Patterns r_patterns_, alpha_patterns_;
    std::map<std::string, std::vector<int32_t>> tokens_;
    std::vector<int32_t> invocation_;
};

}  // namespace ql
