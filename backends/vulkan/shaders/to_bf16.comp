// to_bf16: rounds to the nearest.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
PUSH {
    F32 x;
    U16 y;
    int n;
};

void main() {
    EACH_ELEMENT(i, n)
    y.at[i] = uint16_t(to_bf16(x.at[i]));
}
