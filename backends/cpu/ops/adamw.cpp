// One AdamW step, in place; ggml/ops/adamw.cpp has the formula.
// Split: pieces of kPiece elements.
// Traffic: four reads and three writes, 28 bytes a parameter: memory is the limit.
#include "backends/cpu/ops/optimizer_step.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/adamw.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/optimizer_step.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void adamw_piece(const OptimizerJob & job, int64_t first, int64_t last) {
    step_piece<AdamwStep<Fuses>>(job, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
HWY_EXPORT(adamw_piece);

Status launch_adamw(const Launch & l) {
    return launch_step(l, HWY_DYNAMIC_DISPATCH(adamw_piece));
}

}  // namespace

const Kernel kernel::adamw = {launch_adamw};

}  // namespace ql::cpu
#endif
