// One AdamW step, in place, with moments in 8 bits; ggml/ops/adamw8bit.cpp has the formula. The bits are the
// reference's.
// Split: pieces of kPiece elements, which are whole blocks.
// Traffic: four reads and three writes, 16 bytes a parameter.
#include "backends/cpu/ops/optimizer_step.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/adamw8bit.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/optimizer_step.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void adamw8bit_piece(const OptimizerJob & job, int64_t first, int64_t last) {
    step_piece_8bit<AdamwStep<RoundsProducts>>(job, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
static_assert(kPiece % kStateBlock == 0);
HWY_EXPORT(adamw8bit_piece);

Status launch_adamw8bit(const Launch & l) {
    return launch_step(l, HWY_DYNAMIC_DISPATCH(adamw8bit_piece));
}

}  // namespace

const Kernel kernel::adamw8bit = {launch_adamw8bit};

}  // namespace ql::cpu
#endif
