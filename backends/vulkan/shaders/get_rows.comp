// get_rows: rows of a table of any format by their numbers; NaN where there is none.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const int kFormat = 0;
#include "backends/vulkan/shaders/weights.glsl"
PUSH {
    Weight table;
    I32 ids;
    F32 y;
    int n, width, n_rows;
};

void main() {
    EACH_ELEMENT(i, n) {
        const int row = ids.at[i / width];
        y.at[i] = row >= 0 && row < n_rows ? weight_at(table, row * width + i % width) : kNan;
    }
}
