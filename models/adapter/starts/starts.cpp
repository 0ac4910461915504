// The table of starts.
#include "models/adapter/starts/start.hpp"

#include <algorithm>

namespace ql {
namespace {

/// new_adapter's own.
Status start_default(Adapter &, const Model &, const StartOptions &) {
    return {};
}

constexpr StartMethod kMethods[] = {
    {"default", "A uniform in +-1/sqrt(k), B zero", start_default},
    {"gaussian", "A normal with deviation 1/r, B zero", start_gaussian},
    {"orthogonal", "A and B in subspaces that are orthogonal, so that B A is 0 though B is not", start_orthogonal},
    {"pissa", "the largest singular vectors of the weight itself", start_pissa},
    {"loftq", "the largest singular vectors of what the weight lost when it was quantised", start_loftq},
    {"eva", "A the largest singular vectors of the linear's inputs in the data, B zero", start_eva_without_data},
};

Status unknown_start(const std::string & name) {
    std::string names;
    for (const StartMethod & method : kMethods) names += (names.empty() ? "" : ", ") + std::string(method.name);
    return error(QL_INVALID_ARGUMENT, "an adapter's start '%.40s' is unknown; there are %s", name.c_str(),
                 names.c_str());
}

}  // namespace

Status check_is_lora(const Adapter & adapter, const char * start) {
    const bool is_lora = std::all_of(adapter.matrices.begin(), adapter.matrices.end(),
                                     [](const LoraMatrix & m) { return m.kind == LoraKind::lora; });
    return is_lora ? Status() : error(QL_INVALID_ARGUMENT, "the start '%s' is one of plain LoRA", start);
}

std::span<const StartMethod> start_methods() {
    return kMethods;
}

Status start_adapter(Adapter & adapter, const Model & model, const StartOptions & options) {
    for (const StartMethod & method : kMethods) {
        if (options.name != method.name) continue;
        const bool is_default = &method == &kMethods[0];
        if (!is_default) QL_TRY(check_is_lora(adapter, method.name));
        QL_TRY(method.start(adapter, model, options));
        adapter.start = method.name;
        if (!is_default) adapter.origin.init = method.name;
        return {};
    }
    return unknown_start(options.name);
}

}  // namespace ql
