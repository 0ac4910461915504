#include "models/adapter/kinds/kind.hpp"

#include <string>

namespace ql {
namespace {

/// In the order of LoraKind.
constexpr const KindDef * kKinds[] = {&kind::lora, &kind::miss, &kind::dora};

}  // namespace

const KindDef & def_of(LoraKind kind) {
    return *kKinds[static_cast<size_t>(kind)];
}

Result<LoraKind> kind_named(std::string_view name) {
    std::string names;
    for (const KindDef * def : kKinds) {
        if (def->name == name) return def->kind;
        names += std::string(names.empty() ? "" : ", ") + def->name;
    }
    return error(QL_INVALID_ARGUMENT, "a LoRA of kind '%.40s' is not known; %s are", std::string(name).c_str(),
                 names.c_str());
}

}  // namespace ql
