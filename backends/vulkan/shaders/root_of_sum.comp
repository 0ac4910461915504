// global_norm, second half.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
PUSH {
    F32 sums, y;
    int n;
};

void main() {
    float sum = 0;
    EACH_LANE(i, n)
    sum += sums.at[i];
    sum = group_sum(sum);
    if (lane() == 0) y.at[0] = sqrt(sum);
}
