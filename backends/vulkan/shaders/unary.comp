// unary: functions of single numbers and their slopes, as in ggml/ops/unary.cpp. The kinds' numbers are ql_unary's, and
// behind them clamp and soft_cap: ggml/ops/unary.hpp.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
#include "backends/vulkan/shaders/functions.glsl"
layout(constant_id = 0) const int kKind = 0;
layout(constant_id = 1) const bool kSlope = false;
PUSH {
    F32 x, y;
    int n;
    float low, high;
};

float sigmoid_slope(float v) {
    const float e = exp_of(-abs(v));
    return e / ((1 + e) * (1 + e));
}
float normal_share(float v) {
    return 0.5 * erfc_of(-v * 0.70710678);
}
float gelu_tanh_argument(float v) {
    return 1.5957691216 * (v + 0.044715 * v * v * v);
}

float value_of(float v) {
    switch (kKind) {
        case 0: return v * sigmoid(v);
        case 1: return v * normal_share(v);
        case 2: return v * sigmoid(gelu_tanh_argument(v));
        case 3: return sigmoid(v);
        case 4: return tanh_of(v);
        case 5: return v > 0 ? v : is_nan(v) ? v : 0;
        case 6: return v > 0 ? v * v : is_nan(v) ? v : 0;
        case 7: return max(v, 0) + log1p_of(exp_of(-abs(v)));
        case 8: return exp_of(v);
        case 9: return log_of(v);
        case 10: return 1 / sqrt(v);
        case 11: return 1 / v;
        case 12: return v < low ? low : v > high ? high : v;
        default: return low * tanh_of(v / low);
    }
}
float slope_of(float v) {
    switch (kKind) {
        case 0: return sigmoid(v) + v * sigmoid_slope(v);
        case 1: return normal_share(v) + v * 0.39894228 * exp_of(-0.5 * v * v);
        case 2: {
            const float u = gelu_tanh_argument(v);
            return sigmoid(u) + v * sigmoid_slope(u) * 1.5957691216 * (1 + 3 * 0.044715 * v * v);
        }
        case 3: return sigmoid_slope(v);
        case 4: return 4 * sigmoid_slope(2 * v);
        case 5: return v > 0 ? 1 : 0;
        case 6: return v > 0 ? 2 * v : 0;
        case 7: return sigmoid(v);
        case 8: return exp_of(v);
        case 9: return 1 / v;
        case 10: return -0.5 / (v * sqrt(v));
        case 11: return -1 / (v * v);
        case 12: return v >= low && v <= high ? 1 : 0;
        default: return 4 * sigmoid_slope(2 * (v / low));
    }
}

void main() {
    EACH_ELEMENT(i, n)
    y.at[i] = kSlope ? slope_of(x.at[i]) : value_of(x.at[i]);
}
