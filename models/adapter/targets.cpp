#include "models/adapter/targets.hpp"

#include "models/adapter/regex.hpp"
#include "models/arch/architecture.hpp"

namespace ql {
namespace {

/// Names that stand for a pattern.
struct Group {
    const char * name;
    const char * pattern;
};
constexpr Group kGroups[] = {{"all", ""}, {"attn", R"(^blk\.\d+\.attn_)"}, {"mlp", R"(^blk\.\d+\.ffn_)"}};

Status nothing_matches(const Model & model, const std::string & targets) {
    std::string linears;
    for (const std::string_view linear : model.architecture().linears())
        linears += (linears.empty() ? "" : ", ") + std::string(linear);
    return error(
        QL_INVALID_ARGUMENT,
        "targets '%.120s' match none of the model's linears; they are blk.0 to blk.%lld, each with .weight: %s "
        "(or say all, attn, mlp)",
        targets.c_str(), static_cast<long long>(model.hparams().n_layer - 1), linears.c_str());
}

}  // namespace

Result<std::vector<std::string>> select_targets(const Model & model, const std::string & targets) {
    std::string pattern = targets;
    if (targets.empty()) return nothing_matches(model, targets);
    for (const Group & group : kGroups)
        if (targets == group.name) pattern = group.pattern;
    QL_ASSIGN(const Regex regex, Regex::compile(pattern));
    std::vector<std::string> selected;
    for (const std::string & name : model.linears()) {
        QL_ASSIGN(const bool found, regex.found_in(name));
        if (found) selected.push_back(name);
    }
    if (selected.empty()) return nothing_matches(model, targets);
    return selected;
}

}  // namespace ql
