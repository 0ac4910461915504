// zero: bytes, or words where there are whole ones.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const uint kBytes = 4;
PUSH {
    I32 y;
    int n;
};

void main() {
    EACH_ELEMENT(i, n) {
        if (kBytes == 1)
            U8(y).at[i] = uint8_t(0);
        else
            y.at[i] = 0;
    }
}
