#include "models/train/optimizer.hpp"

#include "ql/optim.h"

namespace ql {
namespace {

constexpr int64_t kFewest8BitElements = 4096;  // as in bitsandbytes

using T = ql_tensor *;
using States = ql_tensor * const *;

T step_adamw(ql_graph * g, T p, T grad, States s, T norm, T hyper, float lr_scale) {
    return ql_adamw(g, p, grad, s[0], s[1], norm, hyper, lr_scale);
}
T step_adamw8bit(ql_graph * g, T p, T grad, States s, T norm, T hyper, float lr_scale) {
    return ql_adamw8bit(g, p, grad, s[0], s[1], s[2], s[3], norm, hyper, lr_scale);
}
T step_lion(ql_graph * g, T p, T grad, States s, T norm, T hyper, float lr_scale) {
    return ql_lion(g, p, grad, s[0], norm, hyper, lr_scale);
}
T step_lion8bit(ql_graph * g, T p, T grad, States s, T norm, T hyper, float lr_scale) {
    return ql_lion8bit(g, p, grad, s[0], s[1], norm, hyper, lr_scale);
}
T step_sgd(ql_graph * g, T p, T grad, States s, T norm, T hyper, float lr_scale) {
    return ql_sgd(g, p, grad, s[0], norm, hyper, lr_scale);
}

constexpr OptimizerDef kAdamw = {"adamw", "adamw", 0.9, 0.999, 2, false, step_adamw};
constexpr OptimizerDef kAdamw8bit = {"adamw8bit", "adamw8bit", 0.9, 0.999, 2, true, step_adamw8bit};
constexpr OptimizerDef kLion = {"lion", "lion", 0.9, 0.99, 1, false, step_lion};
constexpr OptimizerDef kLion8bit = {"lion8bit", "lion8bit", 0.9, 0.99, 1, true, step_lion8bit};
constexpr OptimizerDef kSgd = {"sgd", "sgd", 0.9, 0, 1, false, step_sgd};

constexpr OptimizerDef paged(const char * name, OptimizerDef def) {
    def.name = name;
    return def;
}

/// In the order of ql_optimizer.
constexpr OptimizerDef kOptimizers[] = {
    kAdamw,    kAdamw8bit, paged("paged_adamw", kAdamw), paged("paged_adamw8bit", kAdamw8bit), kLion,
    kLion8bit, kSgd,       paged("paged_lion", kLion),   paged("paged_lion8bit", kLion8bit)};
static_assert(std::size(kOptimizers) == kLastOptimizer + 1);

/// The optimizer whose states of f32 stand in for those of 8 bits.
const OptimizerDef & in_f32(const OptimizerDef & def) {
    return def.moments == 2 ? kAdamw : kLion;
}

struct MomentNames {
    const char *values, *absmax;
};
constexpr MomentNames kMoments[] = {{".m", ".m_absmax"}, {".v", ".v_absmax"}};

}  // namespace

const OptimizerDef & optimizer_def(ql_optimizer optimizer) {
    return kOptimizers[optimizer];
}

Status check_optimizer(ql_optimizer optimizer, const char * spill) {
    const OptimizerDef & def = optimizer_def(optimizer);
    if (!def.is_paged() || (spill && *spill)) return {};
    return error(QL_INVALID_ARGUMENT,
                 "optimizer: %s keeps its states on disk: name a folder for them with --spill, or take %s", def.name,
                 def.rule);
}

ql_train_options with_betas(ql_train_options options) {
    const OptimizerDef & def = optimizer_def(options.optimizer);
    if (options.beta1 < 0) options.beta1 = def.beta1;
    if (options.beta2 < 0) options.beta2 = def.beta2;
    return options;
}

ParameterOptimizer::ParameterOptimizer(ql_graph * g, ql_optimizer optimizer, const std::string & name,
                                       ql_tensor * param)
    : def_(&optimizer_def(optimizer)), is_paged_(def_->is_paged()) {
    const int64_t n = ql_tensor_elements(param), ne[] = {ql_tensor_ne(param, 0), ql_tensor_ne(param, 1)};
    const int64_t n_blocks = (n + QL_STATE_BLOCK - 1) / QL_STATE_BLOCK;
    if (def_->eight_bits && n < kFewest8BitElements) def_ = &in_f32(*def_);
    const auto add = [&](const char * suffix, ql_dtype dtype, int n_dims, const int64_t * size) {
        states_.push_back({suffix, ql_state(g, (name + suffix).c_str(), dtype, n_dims, size)});
    };
    for (int i = 0; i < def_->moments; ++i) {
        add(kMoments[i].values, def_->eight_bits ? QL_I8 : QL_F32, 2, ne);
        if (def_->eight_bits) add(kMoments[i].absmax, QL_F32, 1, &n_blocks);
    }
}

ql_tensor * ParameterOptimizer::step(ql_graph * g, ql_tensor * param, ql_tensor * grad, ql_tensor * norm,
                                     ql_tensor * hyper, float lr_scale) const {
    std::vector<ql_tensor *> states;
    for (const OptimizerState & s : states_) states.push_back(s.tensor);
    return def_->step(g, param, grad, states.data(), norm, hyper, lr_scale);
}

std::vector<ql_tensor *> ParameterOptimizer::paged_states() const {
    std::vector<ql_tensor *> paged;
    for (const OptimizerState & s : states_)
        if (is_paged_ && ql_tensor_bytes(s.tensor) >= kSmallestPagedState) paged.push_back(s.tensor);
    return paged;
}

uint64_t ParameterOptimizer::bytes() const {
    uint64_t bytes = 0;
    for (const OptimizerState & s : states_) bytes += ql_tensor_bytes(s.tensor);
    return bytes;
}

}  // namespace ql
