// An element of Lion's step; lion.cpp has the formula.
#pragma once
#include "ggml/ops/optimizer.hpp"

namespace ql {

inline void lion_element(const StepScalars<float> & s, float grad, float & p, float & m) {
    const float g = s.clip * grad;
    const float mean = s.b1 * m + s.c1 * g;
    const float sign = mean > 0 ? 1.0f : mean < 0 ? -1.0f : 0.0f;
    p = p * s.keep - s.lr * sign;
    m = s.b2 * m + s.c2 * g;
}

}  // namespace ql
