// attention_back, first half: dq, and c = do . o of each query's head. A group of 64 takes a query's head, as attention does.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/attention.glsl"
PUSH {
    F32 q, k, v, o, lse, d_o;
    I32 span;
    F32 dq, c;
    Heads h;
};
shared float query[kMostHead], d_out[kMostHead], ds[kLanes];

void main() {
    const int t = int(gl_WorkGroupID.x), head = int(gl_WorkGroupID.y), kv = kv_of(h, head), at = t * h.n_heads + head;
    const ivec2 keys = keys_of(h, span, t);
    float dot_o = 0, held[kHeld];
    EACH_LANE(i, h.d) {
        query[i] = q.at[query_at(h, t, head) + i];
        d_out[i] = d_o.at[query_at(h, t, head) + i];
        dot_o += d_out[i] * o.at[query_at(h, t, head) + i];
    }
    dot_o = group_sum(dot_o);
    if (lane() == 0) c.at[at] = dot_o;
    for (int e = 0; e < kHeld; ++e) held[e] = 0;
    for (int j0 = keys.x; j0 < keys.y; j0 += kLanes) {
        ds[lane()] = 0;
        if (j0 + lane() < keys.y) {
            const int from = key_at(h, j0 + lane(), kv);
            float dot = 0, dp = 0;
            for (int i = 0; i < h.d; ++i) {
                dot += query[i] * k.at[from + i];
                dp += d_out[i] * v.at[from + i];
            }
            const float score = score_of(h, dot);
            ds[lane()] = h.scale * cap_slope(score, h.cap) * exp_of(score - lse.at[at]) * (dp - dot_o);
        }
        barrier();
        for (int e = 0; e < kHeld; ++e) {
            const int i = lane() + e * kLanes;
            if (i >= h.d) break;
            for (int n = 0; n < kLanes && j0 + n < keys.y; ++n) held[e] += ds[n] * k.at[key_at(h, j0 + n, kv) + i];
        }
        barrier();
    }
    for (int e = 0; e < kHeld; ++e) {
        const int i = lane() + e * kLanes;
        if (i < h.d) dq.at[query_at(h, t, head) + i] = held[e];
    }
}
