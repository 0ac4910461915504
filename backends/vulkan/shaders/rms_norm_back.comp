// rms_norm_back: dx = r w dy - r^3 x mean(x w dy); dx may lie in dy's storage.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
PUSH {
    F32 x, w, dy, dx;
    int width, n_rows;
    float eps;
};

void main() {
    if (group() >= n_rows) return;
    const int first = group() * width;
    float squares = 0, dot = 0;
    EACH_LANE(i, width) {
        const float v = x.at[first + i];
        squares += v * v;
        dot += v * w.at[i] * dy.at[first + i];
    }
    const float r = 1 / sqrt(group_sum(squares) / float(width) + eps);
    const float c = r * r * (group_sum(dot) / float(width));
    EACH_LANE(i, width)
    dx.at[first + i] = r * (w.at[i] * dy.at[first + i] - c * x.at[first + i]);
}
