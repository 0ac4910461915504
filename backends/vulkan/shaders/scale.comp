// scale: y = factor x + offset.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
PUSH {
    F32 x, y;
    int n;
    float factor, offset;
};

void main() {
    EACH_ELEMENT(i, n)
    y.at[i] = factor * x.at[i] + offset;
}
