// softmax of each row.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
#include "backends/vulkan/shaders/functions.glsl"
layout(constant_id = 0) const uint kType = 0;
PUSH {
    F32 x, y;
    int width, n_rows;
};

void main() {
    if (group() >= n_rows) return;
    const int first = group() * width;
    float top = -kInfinity, sum = 0;
    EACH_LANE(i, width)
    top = max(top, number_at(x, kType, first + i));
    top = group_max(top);
    EACH_LANE(i, width)
    sum += exp_of(number_at(x, kType, first + i) - top);
    sum = group_sum(sum);
    EACH_LANE(i, width)
    y.at[first + i] = exp_of(number_at(x, kType, first + i) - top) / sum;
}
