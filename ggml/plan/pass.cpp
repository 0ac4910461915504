#include "ggml/plan/pass.hpp"

#include "ggml/plan/check.hpp"

namespace ql {
namespace {

constexpr Pass kPasses[] = {
    {"reach", reach},
    {"hasten", hasten},
    {"place", place},
    {"head_loss", fuse_head_loss},
    {"swiglu", fuse_swiglu},
    {"product_sums", fuse_product_sums},
    {"narrow", narrow},
    {"recompute", recompute},
    {"copy", copy_between_devices},
    {"kernels", choose_kernels},
    {"buffers", assign_buffers},
};

}  // namespace

std::span<const Pass> passes() {
    return kPasses;
}

Status apply_passes(PlanList & list, const PassInput & input, bool checked) {
    for (const Pass & pass : kPasses) {
        QL_TRY(pass.apply(list, input));
        if (!checked) continue;
        if (Status s = check_list(list); !s.ok())
            return error(QL_INTERNAL, "plan: after its pass '%s' %s", pass.name, s.message().c_str());
    }
    return {};
}

}  // namespace ql
