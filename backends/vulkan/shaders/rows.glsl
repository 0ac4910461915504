// Shaders of rows: a group of 64 takes a row, whose every 64th element is an invocation's, and adds up in a fixed order.
#include "backends/vulkan/shaders/common.glsl"
layout(local_size_x = 64) in;

const int kLanes = 64;
shared float part[kLanes];

int lane() {
    return int(gl_LocalInvocationID.x);
}
#define EACH_LANE(i, n) for (int i = lane(); i < (n); i += kLanes)

// Called by all invocations of the group, as is group_max.
float group_sum(float x) {
    barrier();
    part[lane()] = x;
    barrier();
    for (int by = kLanes / 2; by > 0; by /= 2) {
        if (lane() < by) part[lane()] += part[lane() + by];
        barrier();
    }
    return part[0];
}
// NaN may be passed over.
float group_max(float x) {
    barrier();
    part[lane()] = x;
    barrier();
    for (int by = kLanes / 2; by > 0; by /= 2) {
        if (lane() < by) part[lane()] = max(part[lane()], part[lane() + by]);
        barrier();
    }
    return part[0];
}
