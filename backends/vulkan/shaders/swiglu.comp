// swiglu: y = gate sigmoid(gate) up.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
#include "backends/vulkan/shaders/functions.glsl"
PUSH {
    F32 gate, up, y;
    int n;
};

void main() {
    EACH_ELEMENT(i, n)
    y.at[i] = gate.at[i] * sigmoid(gate.at[i]) * up.at[i];
}
