// Steps of the optimizers, with states of f32 and of 8 bits.
#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/params.hpp"
#include "ql/optim.h"

namespace ql::vulkan {
namespace {

/// The numbers of the rules in optimizer.comp.
enum Rule : uint32_t { kAdamw, kLion, kSgd };

struct OptimizerPush {
    Address p, grad, m, v, norm, hyper;
    int32_t n;
    float lr_scale;
};
template <Rule rule>
Status step(const Launch & l) {
    const int moments = rule == kAdamw ? 2 : 1;
    const OptimizerPush push{
        result(l, 0),           source(l, 1),           result(l, 1),      moments == 2 ? result(l, 2) : 0,
        source(l, 2 + moments), source(l, 3 + moments), elements(l.in(0)), l.params<OptimizerParams>().lr_scale};
    return each_element(l, shader::optimizer, push, push.n, {rule});
}

struct Optimizer8bitPush {
    Address p, grad, codes[2], absmax[2], norm, hyper, tables;
    int32_t n;
    float lr_scale;
};
template <Rule rule>
Status step_8bit(const Launch & l) {
    const int moments = rule == kAdamw ? 2 : 1, norm = 2 + 2 * moments;
    Optimizer8bitPush push{result(l, 0),
                           source(l, 1),
                           {},
                           {},
                           source(l, norm),
                           source(l, norm + 1),
                           at(l, device_of(l).tables()),
                           elements(l.in(0)),
                           l.params<OptimizerParams>().lr_scale};
    for (int k = 0; k < moments; ++k) push.codes[k] = result(l, 1 + 2 * k), push.absmax[k] = result(l, 2 + 2 * k);
    if (push.n == 0) return {};
    return dispatch(l, shader::optimizer8bit, push, groups_for(push.n, QL_STATE_BLOCK), {rule == kAdamw});
}

}  // namespace

const Kernel kernel::adamw8bit = row<step_8bit<kAdamw>>();
const Kernel kernel::lion8bit = row<step_8bit<kLion>>();
const Kernel kernel::adamw = row<step<kAdamw>>();
const Kernel kernel::lion = row<step<kLion>>();
const Kernel kernel::sgd = row<step<kSgd>>();
}  // namespace ql::vulkan
