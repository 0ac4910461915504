// Steps of the optimizers with states of f32.
#include "backends/vulkan/ops/dispatch.hpp"
#include "ggml/ops/params.hpp"

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

}  // namespace

const Kernel kernel::adamw = row<step<kAdamw>>();
const Kernel kernel::lion = row<step<kLion>>();
const Kernel kernel::sgd = row<step<kSgd>>();
}  // namespace ql::vulkan
