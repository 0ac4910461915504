#include "models/load/check_weights.hpp"

#include <unordered_map>

#include "models/load/account.hpp"
#include "models/quantize/policy.hpp"

namespace ql {
namespace {

std::string shape_text(const Weight & w) {
    std::string text = "[" + std::to_string(w.ne[0]);
    for (int i = 1; i < w.n_dims; ++i) text += ", " + std::to_string(w.ne[i]);
    return text + "]";
}

Status check_shape(const Weight & w, const NeededWeight & needed) {
    const bool fits = (!needed.ne0 || w.ne[0] == needed.ne0) && (!needed.ne1 || w.ne[1] == needed.ne1) &&
                      w.ne[2] == 1 && w.ne[3] == 1;
    if (fits) return {};
    return error(QL_BAD_FILE, "tensor '%s' is %s, [%lld, %lld] is needed", w.name.c_str(), shape_text(w).c_str(),
                 static_cast<long long>(needed.ne0), static_cast<long long>(needed.ne1));
}

/// Of norms, biases and factors, which kernels read as f32.
Status check_vector(const Weight & w) {
    if (w.dtype != QL_F32)
        return error(QL_UNSUPPORTED, "tensor '%s' is %s; norms, biases and factors must be f32", w.name.c_str(),
                     ql_dtype_name(w.dtype));
    return check_finite(w.name, w.dtype, w.data, w.elements());
}

}  // namespace

Status check_weights(const ModelParts & parts, const Architecture & architecture) {
    const std::vector<NeededWeight> list = architecture.needed(parts.hparams);
    QL_TRY(refuse_unneeded(parts.weights, list, parts.hparams));
    std::unordered_map<std::string_view, const Weight *> by_name;
    for (const Weight & w : parts.weights) by_name[w.name] = &w;
    for (const NeededWeight & needed : list) {
        const auto found = by_name.find(needed.name);
        if (found == by_name.end() && needed.optional) continue;
        if (found == by_name.end()) return error(QL_BAD_FILE, "tensor '%s' is missing", needed.name.c_str());
        QL_TRY(check_shape(*found->second, needed));
        if (needed.ne1 == 1) QL_TRY(check_vector(*found->second));
    }
    return {};
}

}  // namespace ql
