// dora_scale: an output row's factor, and the inverse of its length.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
PUSH {
    F32 g, w2, c, p, b, y, inverse;
    int n, r;
    float s;
};

void main() {
    EACH_ELEMENT(i, n) {
        float change = 0;
        for (int j = i * r; j < (i + 1) * r; ++j) change += b.at[j] * s * (2 * c.at[j] + s * p.at[j]);
        const float squares = w2.at[i] + change;
        inverse.at[i] = squares > 0 ? 1 / sqrt(squares) : is_nan(squares) ? squares : 0;
        y.at[i] = g.at[i] * inverse.at[i];
    }
}
