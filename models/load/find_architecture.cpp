#include "models/load/find_architecture.hpp"

#include "models/load/known_architectures.hpp"

namespace ql {

#define QL_ARCHITECTURE(name) const Architecture & name##_architecture();
#include "models/load/architectures.def"
#undef QL_ARCHITECTURE

namespace {

std::vector<const Architecture *> architectures() {
#define QL_ARCHITECTURE(name) &name##_architecture(),
    return {
#include "models/load/architectures.def"
    };
#undef QL_ARCHITECTURE
}

/// The first architecture that has this name; where none has, `known` lists all names.
template <typename Names>
const Architecture * find(std::string_view name, const Names & names_of, std::string & known) {
    for (const Architecture * a : architectures())
        for (const std::string_view own : names_of(*a)) {
            if (own == name) return a;
            known.append(known.empty() ? "" : ", ").append(own);
        }
    return nullptr;
}

/// "is not supported", and of a model that is known, why.
std::string not_supported(std::string_view name) {
    const std::string missing(missing_parts(name));
    return missing.empty() ? "is not supported" : "is known, but not built here: missing are " + missing;
}

}  // namespace

Result<const Architecture *> find_architecture(std::string_view name) {
    std::string known;
    const auto names_of = [](const Architecture & a) { return std::vector{a.name()}; };
    if (const Architecture * found = find(name, names_of, known)) return found;
    return error(QL_UNSUPPORTED, "architecture '%.60s' %s; supported: %s", std::string(name).c_str(),
                 not_supported(name).c_str(), known.c_str());
}

Result<const Architecture *> find_hf_architecture(std::string_view model_type) {
    std::string known;
    const auto names_of = [](const Architecture & a) { return a.hf_model_types(); };
    if (const Architecture * found = find(model_type, names_of, known)) return found;
    return error(QL_UNSUPPORTED, "model_type '%.60s' %s; supported in Hugging Face directories: %s",
                 std::string(model_type).c_str(), not_supported(model_type).c_str(), known.c_str());
}

}  // namespace ql
