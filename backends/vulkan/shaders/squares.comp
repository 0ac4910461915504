// global_norm, first half: the sum of squares of each 1024 elements.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
PUSH {
    F32 x, sums;
    int n, n_rows;
};

void main() {
    if (group() >= n_rows) return;
    const int first = group() * 1024;
    float sum = 0;
    EACH_LANE(i, min(1024, n - first))
    sum += x.at[first + i] * x.at[first + i];
    sum = group_sum(sum);
    if (lane() == 0) sums.at[group()] = sum;
}
