#include "models/load/weight_scales.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "models/files/weight_names.hpp"
#include "models/quantize/tensor_scale.hpp"

namespace ql {
namespace {

Result<float> scale_in(const Weight & w) {
    return tensor_scale({w.name.c_str(), w.dtype, w.n_dims, {w.ne[0], w.ne[1], w.ne[2], w.ne[3]}, w.data, w.bytes});
}

}  // namespace

Status take_scales(std::vector<Weight> & weights) {
    std::unordered_map<std::string, const Weight *> scales;
    for (const Weight & w : weights)
        if (w.name.ends_with("scale")) scales[w.name] = &w;
    std::unordered_set<std::string> taken;
    for (Weight & w : weights) {
        if (scales.empty() || !can_have_scale(w.name, w.n_dims)) continue;
        if (const auto scale = scales.find(scale_of(w.name)); scale != scales.end()) {
            QL_ASSIGN(w.scale, scale_in(*scale->second));
            taken.insert(scale->first);
        }
        if (const auto scale = scales.find(input_scale_of(w.name)); scale != scales.end()) {
            QL_TRY(scale_in(*scale->second).status());
            taken.insert(scale->first);
        }
    }
    std::erase_if(weights, [&](const Weight & w) { return taken.contains(w.name); });
    return {};
}

}  // namespace ql
