// uniform_noise: a number in (-1, 1), odd multiples of 2^-24, times its row's amplitude is added.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
#include "backends/vulkan/shaders/philox.glsl"
PUSH {
    F32 x, amplitude;
    I32 key;
    F32 y;
    int n, width, stream;
};

void main() {
    EACH_ELEMENT(i, n) {
        const int odd = int(word_of(key, stream, width, i) >> 8 << 1 | 1u);
        y.at[i] = x.at[i] + amplitude.at[i / width] * (float(odd - (1 << 24)) * 5.9604644775390625e-8);
    }
}
