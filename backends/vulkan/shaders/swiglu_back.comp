// swiglu_back: the gradients of gate and up, which may lie in the storage of gate and up.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
#include "backends/vulkan/shaders/functions.glsl"
layout(constant_id = 0) const uint kTypeGate = 0;
layout(constant_id = 1) const uint kTypeUp = 0;
layout(constant_id = 2) const uint kTypeDy = 0;
layout(constant_id = 3) const uint kTypeDGate = 0;
layout(constant_id = 4) const uint kTypeDUp = 0;
PUSH {
    F32 gate, up, dy, d_gate, d_up;
    int n;
};

void main() {
    EACH_ELEMENT(i, n) {
        const float g = number_at(gate, kTypeGate, i), u = number_at(up, kTypeUp, i), d = number_at(dy, kTypeDy, i), a = sigmoid(g);
        store_number(d_gate, kTypeDGate, i, d * u * a * (1 + g * (1 - a)));
        store_number(d_up, kTypeDUp, i, d * g * a);
    }
}
