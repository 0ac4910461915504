// gather_rows: a row by its number; zeros for a negative one, NaN past the last.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const uint kType = 0;
PUSH {
    F32 x;
    I32 ids;
    F32 y;
    int n, width, n_rows;
};

void main() {
    EACH_ELEMENT(i, n) {
        const int id = ids.at[i / width];
        y.at[i] = id < 0 ? 0 : id < n_rows ? number_at(x, kType, id * width + i % width) : kNan;
    }
}
