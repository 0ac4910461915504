// adamw, lion, sgd: an element's step, with its moments. A norm that is no number skips the step.
// hyper: ql_hyper of ql/optim.h; the rules are those of ggml/ops/optimizer_rules.hpp.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
const int kAdamw = 0, kLion = 1;
layout(constant_id = 0) const int kRule = 0;
PUSH {
    F32 p, grad, m, v, norm, hyper;
    int n;
    float lr_scale;
};

void main() {
    if (!is_finite(norm.at[0])) return;
    const float lr = hyper.at[0] * lr_scale, b1 = hyper.at[1], b2 = hyper.at[2], eps = hyper.at[3];
    const float keep = 1 - lr * hyper.at[4], bias1 = hyper.at[5], bias2 = hyper.at[6];
    const float cut = hyper.at[7] / (norm.at[0] + 1e-6), clip = hyper.at[7] > 0 && cut < 1 ? cut : 1;
    EACH_ELEMENT(i, n) {
        const float g = clip * grad.at[i];
        float x = p.at[i], first = m.at[i];
        if (kRule == kAdamw) {
            const float second = b2 * v.at[i] + (1 - b2) * (g * g);
            first = b1 * first + (1 - b1) * g;
            x = x * keep - lr * (first / bias1 / (sqrt(second / bias2) + eps));
            v.at[i] = second;
        } else if (kRule == kLion) {
            x = x * keep - lr * sign(b1 * first + (1 - b1) * g);
            first = b2 * first + (1 - b2) * g;
        } else {
            first = b1 * first + g;
            x = x * keep - lr * first;
        }
        p.at[i] = x;
        m.at[i] = first;
    }
}
