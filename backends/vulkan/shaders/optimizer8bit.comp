// adamw8bit, lion8bit: a step whose moments are codes of 8 bits of the dynamic maps, in blocks of 256 with a scale: the largest
// magnitude. A group takes a block: an invocation an element. The codes are the CPU's (ggml/ops/blockwise_state.hpp): all that
// they hang on is rounded as there.
//
// kAt...: where the tables have the maps, and the codes of the 65,536 points to which a number is rounded first.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/common.glsl"
#include "backends/vulkan/shaders/exact.glsl"
layout(local_size_x = 256) in;
layout(constant_id = 0) const bool kAdamw = true;
PUSH {
    F32 p, grad;
    U8 codes[2];
    F32 absmax[2];
    F32 norm, hyper, tables;
    int n;
    float lr_scale;
};
const int kBlock = 256, kMaps = 48, kCodes = 560 * 4, kPoints = 65536;
shared float most[kBlock];

float map_at(int moment, int code) {
    return tables.at[kMaps + moment * 256 + code];
}
bool is_negative(float x) {
    return floatBitsToUint(x) >> 31 == 1u;
}

// min(1, clip / (norm + 1e-6)), as in f64; 1e-6 is a pair.
float clip_of(float clip, float norm) {
    if (clip <= 0) return 1;
    return min(rounded_quotient(Pair(clip, 0), added(Pair(norm, 0), Pair(9.99999997475242708e-07, 2.5247572468697606e-15))), 1.0);
}

uint code_of(int moment, float x, float largest) {
    const float factor = largest < 1.1754944e-38 ? 0 : quotient(1, largest);  // what is below normal numbers counts as 0
    precise const float scaled = is_finite(factor) ? x * factor : 0;
    precise const float at = (scaled + 1) * 0.5 * 65535.0 + 0.5;
    const int point = clamp(int(at), 0, kPoints - 1);
    int code = int(U8(tables).at[kCodes + moment * kPoints + point]);
    if (is_negative(map_at(moment, code)) != is_negative(x)) code += x > 0 ? 1 : -1;
    return uint(code) & 255u;
}

// Of all invocations.
float largest_of(float x) {
    const int lane = int(gl_LocalInvocationID.x);
    barrier();
    most[lane] = x;
    barrier();
    for (int by = kBlock / 2; by > 0; by /= 2) {
        if (lane < by) most[lane] = max(most[lane], most[lane + by]);
        barrier();
    }
    return most[0];
}

void main() {
    if (!is_finite(norm.at[0])) return;  // the step is skipped, by all invocations
    const int block = group(), i = block * kBlock + int(gl_LocalInvocationID.x);
    if (block * kBlock >= n) return;
    const bool is_element = i < n;
    const float b1 = hyper.at[1], b2 = hyper.at[2], lr = hyper.at[0] * lr_scale;
    precise const float c1 = 1 - b1, c2 = 1 - b2, keep = 1 - lr * hyper.at[4];
    float moment[2] = {0, 0};
    if (is_element) {
        precise const float g = clip_of(hyper.at[7], norm.at[0]) * grad.at[i];
        precise const float first = map_at(0, int(codes[0].at[i])) * absmax[0].at[block];
        if (kAdamw) {
            precise const float second = map_at(1, int(codes[1].at[i])) * absmax[1].at[block];
            precise const float m = b1 * first + c1 * g, v = b2 * second + c2 * (g * g);
            p.at[i] = p.at[i] * keep - lr * (m / hyper.at[5] / (sqrt(v / hyper.at[6]) + hyper.at[3]));
            moment[0] = m;
            moment[1] = v;
        } else {
            precise const float mean = b1 * first + c1 * g, m = b2 * first + c2 * g;
            p.at[i] = p.at[i] * keep - lr * sign(mean);
            moment[0] = m;
        }
    }
    for (int k = 0; k < (kAdamw ? 2 : 1); ++k) {
        const float largest = largest_of(abs(moment[k]));
        if (is_element) codes[k].at[i] = uint8_t(code_of(k, moment[k], largest));
        if (gl_LocalInvocationID.x == 0) absmax[k].at[block] = largest;
    }
}
