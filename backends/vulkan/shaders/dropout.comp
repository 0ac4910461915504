// dropout: an element stays, times factor, where its random word is not below the threshold.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
#include "backends/vulkan/shaders/philox.glsl"
PUSH {
    F32 x;
    I32 key;
    F32 y;
    int n, width, stream;
    uint threshold;
    float factor;
};

void main() {
    EACH_ELEMENT(i, n)
    y.at[i] = word_of(key, stream, width, i) >= threshold ? x.at[i] * factor : 0;
}
