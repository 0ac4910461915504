#include "models/load/account.hpp"

#include <string_view>
#include <unordered_set>

#include "models/files/weight_names.hpp"

namespace ql {
namespace {

/// Parts of names that say what kind of model this is.
struct Kind {
    const char * part;
    const char * what;
};
constexpr Kind kKinds[] = {
    {"_exps", "mixture of experts"},   {"_gate_inp", "mixture of experts"},  {"_shexp", "mixture of experts"},
    {"attn_qkv", "q, k and v in one"}, {".scale", "a scale of this tensor"}, {"_norm.bias", "layer norm with a bias"},
};

std::string reason(const std::string & name, const Hparams & h) {
    for (const Kind & kind : kKinds)
        if (name.find(kind.part) != std::string::npos) return std::string(kind.what) + " is not supported";
    if (layer_of(name) >= h.n_layer()) return "the model says that it has " + std::to_string(h.n_layer()) + " layers";
    return "a model of architecture '" + h.arch + "' has no such tensor here";
}

}  // namespace

Status refuse_unneeded(const std::vector<Weight> & weights, const std::vector<NeededWeight> & needed,
                       const Hparams & h) {
    std::unordered_set<std::string_view> names;
    for (const NeededWeight & n : needed) names.insert(n.name);
    for (const Weight & w : weights)
        if (!names.contains(w.name))
            return error(QL_UNSUPPORTED, "tensor '%.80s' would not be used: %s", w.name.c_str(),
                         reason(w.name, h).c_str());
    return {};
}

}  // namespace ql
