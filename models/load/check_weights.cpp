#include "models/load/check_weights.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <unordered_map>

#include "models/load/account.hpp"
#include "models/quantize/policy.hpp"

namespace ql {
namespace {

/// "[64, 32]"
std::string shape_text(std::span<const int64_t> ne) {
    std::string text;
    for (const int64_t n : ne) text += (text.empty() ? "[" : ", ") + std::to_string(n);
    return text + "]";
}

Status check_shape(const Weight & w, const NeededWeight & needed) {
    std::vector<int64_t> ne = needed.ne;
    ne.resize(std::size(w.ne), 1);
    if (std::equal(ne.begin(), ne.end(), w.ne)) return {};
    return error(QL_BAD_FILE, "tensor '%s' is %s, %s is needed", w.name.c_str(),
                 shape_text({w.ne, static_cast<size_t>(w.n_dims)}).c_str(), shape_text(needed.ne).c_str());
}

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
        const bool replaced = !needed.unless.empty() && by_name.contains(needed.unless);
        if (found != by_name.end() && replaced)
            return error(QL_UNSUPPORTED, "tensor '%s' would not be used: '%s' holds its values, too",
                         needed.name.c_str(), needed.unless.c_str());
        if (found == by_name.end() && (needed.optional || replaced)) continue;
        if (found == by_name.end()) return error(QL_BAD_FILE, "tensor '%s' is missing", needed.name.c_str());
        QL_TRY(check_shape(*found->second, needed));
        if (needed.is_vector()) QL_TRY(check_vector(*found->second));
    }
    return {};
}

}  // namespace ql
