// attention_back, second half: dk and dv. A group takes kOwn keys of a head and passes over the queries of all heads that share
// it. c: of the first half.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/attention_tiles.glsl"
PUSH {
    F32 q, k, v, lse, d_o;
    I32 span;
    F32 dk, dv, c;
    Heads h;
};
shared float key[kOwn * kStep], value[kOwn * kStep], query[kOther * kStep], d_out[kOther * kStep];
shared float p[kOwn][kOther], ds[kOwn][kOther], their_lse[kOther], their_c[kOther];
shared ivec2 seen[kThreads];

void main() {
    const int j0 = int(gl_WorkGroupID.x) * kOwn, kv = int(gl_WorkGroupID.y), group_heads = h.n_heads / h.n_kv;
    const int row = own_row(), j = j0 + row;
    float held_k[kHeld], held_v[kHeld];
    EACH_COLUMN(e, i, h.d) {
        const int at = key_at(h, j, kv) + i;
        key[row * kStep + i] = j < h.n_keys ? k.at[at] : 0;
        value[row * kStep + i] = j < h.n_keys ? v.at[at] : 0;
        held_k[e] = held_v[e] = 0;
    }
    for (int t1 = 0; t1 < h.n_tokens; t1 += kThreads) {
        barrier();
        seen[lane()] = t1 + lane() < h.n_tokens ? keys_of(h, span, t1 + lane()) : ivec2(0);
        barrier();
        for (int n0 = 0; n0 < kThreads; n0 += kOther) {
            bool any = false;  // for all invocations alike
            for (int n = n0; n < n0 + kOther; ++n)
                any = any || (seen[n].x < j0 + kOwn && seen[n].y > j0 && seen[n].x < seen[n].y);
            if (!any) continue;
            for (int head = kv * group_heads; head < (kv + 1) * group_heads; ++head) {
                barrier();
                for (int e = lane(); e < kOther * h.d; e += kThreads) {
                    const int n = e / h.d, i = e % h.d, t = t1 + n0 + n, at = query_at(h, t, head) + i;
                    query[n * kStep + i] = t < h.n_tokens ? q.at[at] : 0;
                    d_out[n * kStep + i] = t < h.n_tokens ? d_o.at[at] : 0;
                }
                if (lane() < kOther && t1 + n0 + lane() < h.n_tokens) {
                    their_lse[lane()] = lse.at[(t1 + n0 + lane()) * h.n_heads + head];
                    their_c[lane()] = c.at[(t1 + n0 + lane()) * h.n_heads + head];
                }
                barrier();
                EACH_SCORE(n) {
                    float dot = 0, dp = 0;
                    for (int i = 0; i < h.d; ++i) {
                        dot += query[n * kStep + i] * key[row * kStep + i];
                        dp += d_out[n * kStep + i] * value[row * kStep + i];
                    }
                    const bool sees = j >= seen[n0 + n].x && j < seen[n0 + n].y;
                    const float score = score_of(h, dot), part = sees ? exp_of(score - their_lse[n]) : 0;
                    p[row][n] = part;
                    ds[row][n] = sees ? h.scale * cap_slope(score, h.cap) * part * (dp - their_c[n]) : 0;
                }
                barrier();
                EACH_COLUMN(e, i, h.d) {
                    for (int n = 0; n < kOther; ++n) {
                        held_k[e] += ds[row][n] * query[n * kStep + i];
                        held_v[e] += p[row][n] * d_out[n * kStep + i];
                    }
                }
            }
        }
    }
    if (j >= h.n_keys) return;
    EACH_COLUMN(e, i, h.d) {
        dk.at[key_at(h, j, kv) + i] = held_k[e];
        dv.at[key_at(h, j, kv) + i] = held_v[e];
    }
}
