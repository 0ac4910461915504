// sum_rows: the sum of each row.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
layout(constant_id = 0) const uint kType = 0;
PUSH {
    F32 x, y;
    int width, n_rows;
};

void main() {
    if (group() >= n_rows) return;
    float sum = 0;
    EACH_LANE(i, width)
    sum += number_at(x, kType, group() * width + i);
    sum = group_sum(sum);
    if (lane() == 0) y.at[group()] = sum;
}
