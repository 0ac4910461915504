// slice, permute, expand, pad, concat: an invocation copies an element of 1, 2 or 4 bytes.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const uint kBytes = 4;
PUSH {
    I32 from, to;
    int n, first_from, first_to, ne[3], from_step[4], to_step[4];
};

void main() {
    EACH_ELEMENT(e, n) {
        const int row = e / ne[0];
        const int i[4] = {e % ne[0], row % ne[1], row / ne[1] % ne[2], row / ne[1] / ne[2]};
        int a = first_from, b = first_to;
        for (int d = 0; d < 4; ++d) {
            a += i[d] * from_step[d];
            b += i[d] * to_step[d];
        }
        if (kBytes == 1)
            U8(to).at[b] = U8(from).at[a];
        else if (kBytes == 2)
            U16(to).at[b] = U16(from).at[a];
        else
            to.at[b] = from.at[a];
    }
}
