// swiglu_back: the gradients of gate and up, which may lie in the storage of gate and up.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
#include "backends/vulkan/shaders/functions.glsl"
PUSH {
    F32 gate, up, dy, d_gate, d_up;
    int n;
};

void main() {
    EACH_ELEMENT(i, n) {
        const float g = gate.at[i], u = up.at[i], d = dy.at[i], a = sigmoid(g);
        d_gate.at[i] = d * u * a * (1 + g * (1 - a));
        d_up.at[i] = d * g * a;
    }
}
