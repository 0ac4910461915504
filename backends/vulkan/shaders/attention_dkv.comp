// attention_back, second half: dk and dv. A group of 64 takes a head of a key and passes over the queries, 64 at a time, one
// an invocation, of all heads that share it. c: of the first half.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/attention.glsl"
PUSH {
    F32 q, k, v, lse, d_o;
    I32 span;
    F32 dk, dv, c;
    Heads h;
};
shared float key[kMostHead], value[kMostHead], p[kLanes], ds[kLanes];

void main() {
    const int j = int(gl_WorkGroupID.x), kv = int(gl_WorkGroupID.y), group_heads = h.n_heads / h.n_kv;
    const int own = key_at(h, j, kv);
    EACH_LANE(i, h.d) {
        key[i] = k.at[own + i];
        value[i] = v.at[own + i];
    }
    float held_k[kHeld], held_v[kHeld];
    for (int e = 0; e < kHeld; ++e) held_k[e] = held_v[e] = 0;
    for (int t0 = 0; t0 < h.n_tokens; t0 += kLanes) {
        const int t = t0 + lane();
        const ivec2 keys = t < h.n_tokens ? keys_of(h, span, t) : ivec2(0);
        const bool sees = j >= keys.x && j < keys.y;
        if (group_max(sees ? 1 : 0) == 0) continue;  // for all invocations alike
        for (int head = kv * group_heads; head < (kv + 1) * group_heads; ++head) {
            p[lane()] = ds[lane()] = 0;
            if (sees) {
                const int from = query_at(h, t, head), at = t * h.n_heads + head;
                float dot = 0, dp = 0;
                for (int i = 0; i < h.d; ++i) {
                    dot += q.at[from + i] * key[i];
                    dp += d_o.at[from + i] * value[i];
                }
                const float score = score_of(h, dot);
                p[lane()] = exp_of(score - lse.at[at]);
                ds[lane()] = h.scale * cap_slope(score, h.cap) * p[lane()] * (dp - c.at[at]);
            }
            barrier();
            for (int e = 0; e < kHeld; ++e) {
                const int i = lane() + e * kLanes;
                if (i >= h.d) break;
                for (int n = 0; n < kLanes && t0 + n < h.n_tokens; ++n) {
                    held_k[e] += ds[n] * q.at[query_at(h, t0 + n, head) + i];
                    held_v[e] += p[n] * d_o.at[query_at(h, t0 + n, head) + i];
                }
            }
            barrier();
        }
    }
    for (int e = 0; e < kHeld; ++e) {
        const int i = lane() + e * kLanes;
        if (i >= h.d) break;
        dk.at[own + i] = held_k[e];
        dv.at[own + i] = held_v[e];
    }
}
