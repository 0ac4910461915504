// add, mul, accumulate: y = a op b; b is repeated where its size is 1, which a step of 0 says.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const bool kProduct = false;
PUSH {
    F32 a, b, y;
    int n, ne[3], step[4];  // ne: of a; step: of b
};

void main() {
    EACH_ELEMENT(i, n) {
        const int row = i / ne[0];
        const float x =
            b.at[i % ne[0] * step[0] + row % ne[1] * step[1] + row / ne[1] % ne[2] * step[2] + row / ne[1] / ne[2] * step[3]];
        y.at[i] = kProduct ? a.at[i] * x : a.at[i] + x;
    }
}
