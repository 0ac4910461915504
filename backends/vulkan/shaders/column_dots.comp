// column_dots, and rms_norm_back_w's second half: y[i] = sum over rows t of a[i, t] b[i, t] r[t], in the order of t.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const bool kFactors = false;
PUSH {
    F32 a, b, r, y;
    int width, n_rows;
};

void main() {
    EACH_ELEMENT(i, width) {
        float sum = 0;
        for (int t = 0; t < n_rows; ++t) {
            const float v = a.at[t * width + i];
            sum += (kFactors ? v * r.at[t] : v) * b.at[t * width + i];
        }
        y.at[i] = sum;
    }
}
