// lora_merge to nf4_dq: the offset, which is the mean of all blocks' largest magnitudes. One group; sums of 48 bits, which are
// those of f64 to the last bit of f32.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
#include "backends/vulkan/shaders/exact.glsl"
PUSH {
    F32 absmax, mean;
    int n;
};
shared float part_low[kLanes];

void main() {
    Pair sum = Pair(0, 0);
    EACH_LANE(i, n)
    sum = added(sum, Pair(absmax.at[i], 0));
    part[lane()] = sum.high;
    part_low[lane()] = sum.low;
    barrier();
    if (lane() > 0) return;
    for (int i = 1; i < kLanes; ++i) sum = added(sum, Pair(part[i], part_low[i]));
    mean.at[0] = rounded_quotient(sum, pair_sum(float(n & ~4095), float(n & 4095)));
}
