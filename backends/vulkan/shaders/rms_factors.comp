// rms_norm_back_w, first half: the factor of each row.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
#include "backends/vulkan/shaders/rms.glsl"
PUSH {
    F32 x, r;
    int width, n_rows;
    float eps;
};

void main() {
    if (group() >= n_rows) return;
    const float factor = rms_factor(x, group() * width, width, eps);
    if (lane() == 0) r.at[group()] = factor;
}
