// head_loss: loss = sum of weight nll.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
PUSH {
    F32 weight, nll, loss;
    int n;
};

void main() {
    float sum = 0;
    EACH_LANE(t, n)
    sum += weight.at[t] * nll.at[t];
    sum = group_sum(sum);
    if (lane() == 0) loss.at[0] = sum;
}
