#include "models/load/made_weights.hpp"

#include <algorithm>
#include <cstring>

namespace ql {
namespace {

Status add(ModelParts & parts, const std::string & name, const std::vector<float> & values, bool is_row = true) {
    if (values.empty()) return {};
    if (std::any_of(parts.weights.begin(), parts.weights.end(), [&](const Weight & w) { return w.name == name; }))
        return error(QL_BAD_FILE, "tensor '%s' and another scaling of positions exclude each other", name.c_str());
    Weight w;
    w.name = name;
    w.n_dims = is_row ? 1 : 2;
    w.ne[is_row ? 0 : 1] = static_cast<int64_t>(values.size());
    w.bytes = values.size() * sizeof(float);
    AlignedBytes memory = aligned_bytes(w.bytes);
    if (!memory) return error(QL_NO_MEMORY, "no memory for tensor '%s', %zu bytes", name.c_str(), w.bytes);
    std::memcpy(memory.get(), values.data(), w.bytes);
    w.data = memory.get();
    parts.owned.push_back(std::move(memory));
    parts.weights.push_back(std::move(w));
    return {};
}

}  // namespace

Status add_made_weights(ModelParts & parts) {
    const Rope & rope = parts.hparams.rope;
    QL_TRY(add(parts, rope.factors, rope.divisors));
    QL_TRY(add(parts, rope.long_factors, rope.long_divisors));
    return add(parts, "position_factors.weight", parts.hparams.position_factors, false);
}

}  // namespace ql
