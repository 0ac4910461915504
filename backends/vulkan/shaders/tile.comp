// tile: x [size] of each row again and again, to y [width].
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
PUSH {
    F32 x, y;
    int n, size, width;
};

void main() {
    EACH_ELEMENT(i, n)
    y.at[i] = x.at[i / width * size + i % width % size];
}
