// scatter_add_rows: an invocation sums an element of the result over the rows with its number, in their order. A row's
// number past the last makes all of it NaN.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const uint kType = 0;
PUSH {
    F32 x;
    I32 ids;
    F32 y;
    int n, width, n_rows, n_ids;
};

void main() {
    EACH_ELEMENT(i, n) {
        const int row = i / width;
        float sum = 0;
        for (int t = 0; t < n_ids; ++t) {
            const int id = ids.at[t];
            if (id == row) sum += number_at(x, kType, t * width + i % width);
            if (id >= n_rows) sum = kNan;
        }
        y.at[i] = sum;
    }
}
