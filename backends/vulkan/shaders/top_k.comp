// top_k: each of the k passes finds the first element after the one before; the row is read k times.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
layout(constant_id = 0) const uint kType = 0;
PUSH {
    F32 x, values;
    I32 ids, places;
    int width, n_rows, k;
};
shared int part_at[kLanes];

// Whether a, at place i, stands before b, at j: the larger first, NaN last, of equal ones the earlier.
bool stands_before(float a, int i, float b, int j) {
    if (is_nan(a) != is_nan(b)) return is_nan(b);
    if (!is_nan(a) && a != b) return a > b;
    return i < j;
}

void main() {
    if (group() >= n_rows) return;
    const int first = group() * width;
    float last = 0;
    int last_at = -1;
    for (int pass = 0; pass < k; ++pass) {
        float best = 0;
        int at = -1;
        EACH_LANE(i, width) {
            const float v = number_at(x, kType, first + i);
            if (last_at >= 0 && !stands_before(last, last_at, v, i)) continue;
            if (at < 0 || stands_before(v, i, best, at)) {
                best = v;
                at = i;
            }
        }
        barrier();
        part[lane()] = best;
        part_at[lane()] = at;
        barrier();
        for (int by = kLanes / 2; by > 0; by /= 2) {
            const int other = lane() + by;
            if (lane() < by && part_at[other] >= 0 &&
                (part_at[lane()] < 0 || stands_before(part[other], part_at[other], part[lane()], part_at[lane()]))) {
                part[lane()] = part[other];
                part_at[lane()] = part_at[other];
            }
            barrier();
        }
        last = part[0];
        last_at = part_at[0];
        if (lane() > 0) continue;
        const int to = group() * k + pass;
        values.at[to] = last;
        ids.at[to] = last_at;
        places.at[to] = first + last_at;
    }
}
