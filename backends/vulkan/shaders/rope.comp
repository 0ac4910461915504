// rope: an invocation takes a pair, or an element that is copied; a pair may lie in its own storage.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const bool kNeox = false;
PUSH {
    F32 x, table, y;
    int n, d, n_heads, n_rot;
    float direction;  // -1: by the negative angles
};

void main() {
    const int each = d - n_rot / 2;
    EACH_ELEMENT(e, n) {
        const int row = e / each, i = e % each, from = row * d;
        if (i >= n_rot / 2) {
            y.at[from + i + n_rot / 2] = x.at[from + i + n_rot / 2];
            continue;
        }
        const int angle = row / n_heads * n_rot + 2 * i;
        const int p = from + (kNeox ? i : 2 * i), q = from + (kNeox ? i + n_rot / 2 : 2 * i + 1);
        const float a = x.at[p], b = x.at[q], c = table.at[angle], s = direction * table.at[angle + 1];
        y.at[p] = a * c - b * s;
        y.at[q] = a * s + b * c;
    }
}
