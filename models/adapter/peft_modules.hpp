// Which modules of a model adapter_config.json names. A tensor of a module that it does not name is none to PEFT.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/adapter/regex.hpp"
#include "models/files/json_file.hpp"

namespace ql {

class PeftModules {
  public:
    /// architecture: of the model, "llama", which decides where target_modules is null
    static Result<PeftModules> read(const JsonFile & config, std::string_view architecture);

    /// The name under which PEFT puts a LoRA on the module "model.layers.0.self_attn.q_proj", by which patterns of rank
    /// and alpha know it: its path, or that of its weight where target_parameters names it. Nothing: PEFT puts none.
    Result<std::optional<std::string>> target(const std::string & module) const;
    /// Whether modules_to_save names the module: it is trained whole.
    bool saves(const std::string & module) const;
    /// Names in target_modules.
    const std::vector<std::string> & targets() const { return targets_; }
    const std::vector<std::string> & saved() const { return saved_; }

  private:
    Status read_targets(const JsonFile & config, std::string_view architecture);
    bool excluded_by_saved(const std::string & module) const;
    Result<bool> excluded(const std::string & module) const;
    Result<bool> targeted(const std::string & module) const;
    bool in_layers(const std::string & module) const;

    std::vector<std::string> targets_, excluded_, saved_, parameters_;  // ends of modules' paths
    std::vector<std::string> defaults_;                                 // PEFT's, in place of targets_
    std::optional<Regex> target_pattern_, excluded_pattern_;            // of whole paths
    bool all_ = false;                                                  // "all-linear"
    std::vector<int64_t> layers_;                                       // of names in targets_; none: all
    std::vector<std::string> layers_patterns_;                          // what stands before a layer's number
};

}  // namespace ql
