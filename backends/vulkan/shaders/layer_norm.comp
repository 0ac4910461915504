// layer_norm: y = w (x - mean) / sqrt(var + eps) + b; w and b may be absent.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
layout(constant_id = 0) const bool kWeight = true;
layout(constant_id = 1) const bool kBias = true;
PUSH {
    F32 x, w, b, y;
    int width, n_rows;
    float eps;
};

void main() {
    if (group() >= n_rows) return;
    const int first = group() * width;
    float sum = 0, squares = 0;
    EACH_LANE(i, width)
    sum += x.at[first + i];
    const float mean = group_sum(sum) / float(width);
    EACH_LANE(i, width) {
        const float v = x.at[first + i] - mean;
        squares += v * v;
    }
    const float r = 1 / sqrt(group_sum(squares) / float(width) + eps);
    EACH_LANE(i, width)
    y.at[first + i] = (kWeight ? w.at[i] : 1) * (x.at[first + i] - mean) * r + (kBias ? b.at[i] : 0);
}
