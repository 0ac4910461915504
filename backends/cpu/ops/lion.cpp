// One Lion step, in place; ggml/ops/lion.cpp has the formula.
// Split: pieces of kPiece elements.
// Traffic: three reads and two writes, 20 bytes a parameter: memory is the limit.
#include "backends/cpu/ops/optimizer_step.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/lion.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/optimizer_step.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void lion_piece(const OptimizerJob & job, int64_t first, int64_t last) {
    step_piece<LionStep>(job, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(lion_piece);

Status launch_lion(const Launch & l) {
    return launch_step(l, HWY_DYNAMIC_DISPATCH(lion_piece));
}

}  // namespace

const Kernel kernel::lion = {launch_lion};

}  // namespace ql::cpu
#endif
