// attention_back, first half: dq, and c = do . o of each query's head. A group takes kOwn queries of a head and passes over their
// keys and values.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/attention_tiles.glsl"
PUSH {
    F32 q, k, v, o, lse, d_o;
    I32 span;
    F32 dq, c;
    Heads h;
};
shared float query[kOwn * kStep], d_out[kOwn * kStep], key[kOther * kStep], value[kOther * kStep], ds[kOwn][kOther];
shared float part[kThreads];
shared ivec2 seen[kOwn];

void main() {
    const int t0 = int(gl_WorkGroupID.x) * kOwn, head = int(gl_WorkGroupID.y), kv = kv_of(h, head), row = own_row(), t = t0 + row;
    const bool is_query = t < h.n_tokens;
    if (lane() < kOwn) seen[lane()] = t0 + lane() < h.n_tokens ? keys_of(h, span, t0 + lane()) : ivec2(0);
    float dot_o = 0, held[kHeld];
    EACH_COLUMN(e, i, h.d) {
        const int at = query_at(h, t, head) + i;
        const float d = is_query ? d_o.at[at] : 0;
        query[row * kStep + i] = is_query ? q.at[at] : 0;
        d_out[row * kStep + i] = d;
        dot_o += is_query ? d * o.at[at] : 0;
        held[e] = 0;
    }
    part[lane()] = dot_o;
    barrier();
    dot_o = 0;
    for (int i = 0; i < kRowLanes; ++i) dot_o += part[row * kRowLanes + i];
    const float own_lse = is_query ? lse.at[t * h.n_heads + head] : 0;
    if (is_query && row_lane() == 0) c.at[t * h.n_heads + head] = dot_o;
    int first = h.n_keys, last = 0;  // of the keys that any of them sees
    for (int r = 0; r < kOwn; ++r) {
        if (seen[r].x == seen[r].y) continue;
        first = min(first, seen[r].x);
        last = max(last, seen[r].y);
    }
    const ivec2 keys = seen[row];
    for (int j0 = first; j0 < last; j0 += kOther) {
        barrier();
        for (int e = lane(); e < kOther * h.d; e += kThreads) {
            const int j = e / h.d, i = e % h.d, at = key_at(h, j0 + j, kv) + i;
            key[j * kStep + i] = j0 + j < last ? k.at[at] : 0;
            value[j * kStep + i] = j0 + j < last ? v.at[at] : 0;
        }
        barrier();
        EACH_SCORE(j) {
            float dot = 0, dp = 0;
            for (int i = 0; i < h.d; ++i) {
                dot += query[row * kStep + i] * key[j * kStep + i];
                dp += d_out[row * kStep + i] * value[j * kStep + i];
            }
            const float score = score_of(h, dot);
            const bool sees = j0 + j >= keys.x && j0 + j < keys.y;
            ds[row][j] = sees ? h.scale * cap_slope(score, h.cap) * exp_of(score - own_lse) * (dp - dot_o) : 0;
        }
        barrier();
        EACH_COLUMN(e, i, h.d) {
            for (int j = 0; j < kOther; ++j) held[e] += ds[row][j] * key[j * kStep + i];
        }
    }
    EACH_COLUMN(e, i, h.d)
    if (is_query) dq.at[query_at(h, t, head) + i] = held[e];
}
