// One step of gradient descent with momentum, in place; ggml/ops/sgd.cpp has the formula.
// Split: pieces of kPiece elements.
// Traffic: three reads and two writes, 20 bytes a parameter: memory is the limit.
#include "backends/cpu/ops/optimizer_step.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/sgd.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/optimizer_step.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void sgd_piece(const OptimizerJob & job, int64_t first, int64_t last) {
    step_piece<SgdStep>(job, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(sgd_piece);

Status launch_sgd(const Launch & l) {
    return launch_step(l, HWY_DYNAMIC_DISPATCH(sgd_piece));
}

}  // namespace

const Kernel kernel::sgd = {launch_sgd};

}  // namespace ql::cpu
#endif
