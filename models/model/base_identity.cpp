#include "models/model/base_identity.hpp"

#include <algorithm>

#include "models/base/hash.hpp"

namespace ql {
namespace {

std::vector<const Weight *> by_name(const std::vector<Weight> & weights) {
    std::vector<const Weight *> sorted;
    for (const Weight & w : weights) sorted.push_back(&w);
    std::sort(sorted.begin(), sorted.end(), [](const Weight * a, const Weight * b) { return a->name < b->name; });
    return sorted;
}

/// Norms are small and the same in every quantisation: what tells one training of a shape from another.
bool names_model(const Weight & w) {
    return w.name.ends_with("norm.weight") && w.elements() == w.ne[0];
}

bool has_fixed_shape(const Weight & w) {
    return w.name == "token_embd.weight" || (w.name.starts_with("blk.") && w.elements() != w.ne[0]);
}

Status mix_values(const Weight & w, Hash64 & hash) {
    const auto * const data = static_cast<const std::byte *>(w.data);
    const std::vector<std::byte> aligned(data, data + w.bytes);  // it may lie at any byte
    std::vector<float> values(static_cast<size_t>(w.elements()));
    QL_TRY(ql_decode(w.dtype, aligned.data(), w.elements(), 0, w.elements(), values.data()));
    hash.bytes(values.data(), values.size() * sizeof(float));
    return {};
}

}  // namespace

Result<BaseIdentity> identify_base(const std::string & architecture, const std::vector<Weight> & weights) {
    Hash64 model, file;
    model.text(architecture);
    for (const Weight * w : by_name(weights)) {
        const bool named = names_model(*w);
        if (named || has_fixed_shape(*w)) {
            model.text(w->name);
            model.bytes(w->ne, sizeof w->ne);
        }
        if (named) QL_TRY(mix_values(*w, model));
        const auto dtype = static_cast<int32_t>(w->dtype);
        const size_t end = std::min<size_t>(w->bytes, 256);
        file.text(w->name);
        file.bytes(&dtype, sizeof dtype);
        file.bytes(w->ne, sizeof w->ne);
        if (w->scale != 1) file.bytes(&w->scale, sizeof w->scale);
        file.bytes(w->data, end);
        file.bytes(static_cast<const std::byte *>(w->data) + w->bytes - end, end);
    }
    return BaseIdentity{model.hex(), file.hex()};
}

}  // namespace ql
