// rms_norm: y = x r w, r = 1 / sqrt(mean(x^2) + eps).
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
#include "backends/vulkan/shaders/rms.glsl"
layout(constant_id = 0) const uint kTypeY = 0;
PUSH {
    F32 x, w, y;
    int width, n_rows;
    float eps;
};

void main() {
    if (group() >= n_rows) return;
    const int first = group() * width;
    const float r = rms_factor(x, first, width, eps);
    EACH_LANE(i, width)
    store_number(y, kTypeY, first + i, x.at[first + i] * r * w.at[i]);
}
