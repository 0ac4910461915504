// swiglu: y = gate sigmoid(gate) up.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
#include "backends/vulkan/shaders/functions.glsl"
layout(constant_id = 0) const uint kTypeGate = 0;
layout(constant_id = 1) const uint kTypeUp = 0;
layout(constant_id = 2) const uint kTypeY = 0;
PUSH {
    F32 gate, up, y;
    int n;
};

void main() {
    EACH_ELEMENT(i, n) {
        const float g = number_at(gate, kTypeGate, i);
        store_number(y, kTypeY, i, g * sigmoid(g) * number_at(up, kTypeUp, i));
    }
}
