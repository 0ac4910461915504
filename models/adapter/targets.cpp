#include "models/adapter/targets.hpp"

#include <algorithm>

#include "models/adapter/layers.hpp"
#include "models/adapter/regex.hpp"
#include "models/files/weight_names.hpp"
#include "models/model/architecture.hpp"

namespace ql {
namespace {

/// Names that stand for a pattern.
struct Group {
    const char * name;
    const char * pattern;
};
constexpr Group kGroups[] = {{"all", ""}, {"attn", R"(^blk\.\d+\.attn_)"}, {"mlp", R"(^blk\.\d+\.ffn_)"}};

/// "attn_q|attn_v" of "q_proj, v_proj": PEFT's names in the pattern by ours; "" where there are none.
std::string in_our_names(const Model & model, const std::string & targets) {
    std::string names;
    for (size_t at = 0, end; at < targets.size(); at = end + 1) {
        end = std::min(targets.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", at), targets.size());
        const std::string_view linear = model.architecture().hf_names().linear_of_module(targets.substr(at, end - at));
        if (!linear.empty()) names.append(names.empty() ? "" : "|").append(linear);
    }
    return names;
}

/// True if a layer has it: there are names for weights that hold several linears.
bool has_linear(const Model & model, std::string_view linear) {
    for (int64_t i = 0; i < model.hparams().n_layer(); ++i)
        if (model.find(linear_weight(i, linear))) return true;
    return false;
}

Status nothing_matches(const Model & model, const std::string & targets) {
    std::string linears;
    for (const std::string_view linear : model.architecture().linears())
        if (has_linear(model, linear)) linears += (linears.empty() ? "" : ", ") + std::string(linear);
    if (const std::string names = in_our_names(model, targets); !names.empty())
        return error(QL_INVALID_ARGUMENT, "targets '%.120s' are PEFT's names; here they are '%s'", targets.c_str(),
                     names.c_str());
    return error(
        QL_INVALID_ARGUMENT,
        "targets '%.120s' match none of the model's linears; they are blk.0 to blk.%lld, each with .weight: %s; "
        "several are written with | between (or say all, attn, mlp)",
        targets.c_str(), static_cast<long long>(model.hparams().n_layer() - 1), linears.c_str());
}

}  // namespace

Result<std::vector<std::string>> select_targets(const Model & model, const std::string & targets,
                                                const std::string & layers) {
    QL_ASSIGN(const std::vector<bool> in_layer, select_layers(layers, model.hparams().n_layer()));
    std::string pattern = targets;
    const bool is_list = targets.find_first_of("'\"") != targets.npos;  // of Python or JSON: a class of characters here
    if (targets.empty() || is_list) return nothing_matches(model, targets);
    for (const Group & group : kGroups)
        if (targets == group.name) pattern = group.pattern;
    QL_ASSIGN(const Regex regex, Regex::compile(pattern));
    std::vector<std::string> selected;
    bool matches = false;
    for (const std::string & name : model.linears()) {
        QL_ASSIGN(const bool found, regex.found_in(name));
        matches |= found;
        if (found && in_layer[static_cast<size_t>(layer_of(name))]) selected.push_back(name);
    }
    if (!matches) return nothing_matches(model, targets);
    if (selected.empty())
        return error(QL_INVALID_ARGUMENT, "targets '%.120s' match none of the linears in layers '%.80s'",
                     targets.c_str(), layers.c_str());
    return selected;
}

}  // namespace ql
