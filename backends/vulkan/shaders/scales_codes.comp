// lora_merge to nf4_dq: a group of 256 takes as many blocks' largest magnitudes, less the offset: the largest of these, and codes
// of the signed dynamic map. A group without spread has codes of 0.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/common.glsl"
#include "backends/vulkan/shaders/exact.glsl"
layout(local_size_x = 256) in;
PUSH {
    F32 absmax, mean;
    U8 codes;
    F32 largest, tables;
    int n;
};
const int kBlocks = 256, kCodes = 560 * 4, kPoints = 65536;
shared float most[kBlocks];

void main() {
    const int lane = int(gl_LocalInvocationID.x), i = group() * kBlocks + lane;
    if (group() * kBlocks >= n) return;
    precise const float x = i < n ? absmax.at[i] - mean.at[0] : 0;
    most[lane] = abs(x);
    barrier();
    for (int by = kBlocks / 2; by > 0; by /= 2) {
        if (lane < by) most[lane] = max(most[lane], most[lane + by]);
        barrier();
    }
    if (lane == 0) largest.at[group()] = most[0];
    if (i >= n) return;
    precise const float at = ((most[0] > 0 ? quotient(x, most[0]) : 0) + 1) * 0.5 * 65535.0 + 0.5;
    codes.at[i] = most[0] > 0 ? U8(tables).at[kCodes + clamp(int(at), 0, kPoints - 1)] : uint8_t(0);
}
