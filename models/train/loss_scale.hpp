// Dynamic loss scaling, for products that round to f16: small gradients would become 0 there. The loss, and so each gradient
// on its way back, is multiplied by a scale; at its end a gradient is divided by it, before it is added to its sum. The
// scale is a power of two: without f16 it changes no bit.
//
// As in torch.amp.GradScaler: a step whose gradient is not finite changes nothing, and halves the scale; so many good steps
// in a row double it.
#pragma once
#include <cstdint>

namespace ql {

/// Below 1 no gradient is saved from f16 any more; above the most none of a mean loss needs it.
inline constexpr double kLeastLossScale = 1, kMostLossScale = 16777216;  // 2^24

struct LossScale {
    double scale = 0;        // 0: there is none
    int64_t good_steps = 0;  // since it changed last

    /// Whether a gradient that is not finite may be the scale's fault.
    bool can_fall() const { return scale > kLeastLossScale; }

    /// interval  good steps after which it doubles
    void after_step(bool finite, int64_t interval) {
        if (scale == 0) return;
        good_steps = finite ? good_steps + 1 : 0;
        if (!finite && can_fall()) scale /= 2;
        if (good_steps < interval) return;
        good_steps = 0;
        if (scale < kMostLossScale) scale *= 2;
    }
};

}  // namespace ql
