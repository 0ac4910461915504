// One Lion step, in place, with a momentum in 8 bits; ggml/ops/lion8bit.cpp has the formula. The bits are the
// reference's.
// Split: pieces of kPiece elements, which are whole blocks.
// Traffic: three reads and two writes, 14 bytes a parameter.
#include "backends/cpu/ops/optimizer_step.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/ops/lion8bit.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "backends/cpu/ops/optimizer_step.inl"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

void lion8bit_piece(const OptimizerJob & job, int64_t first, int64_t last) {
    step_piece_8bit<LionStep>(job, first, last);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
namespace {
static_assert(kPiece % kStateBlock == 0);
HWY_EXPORT(lion8bit_piece);

Status launch_lion8bit(const Launch & l) {
    return launch_step(l, HWY_DYNAMIC_DISPATCH(lion8bit_piece));
}

}  // namespace

const Kernel kernel::lion8bit = {launch_lion8bit};

}  // namespace ql::cpu
#endif
