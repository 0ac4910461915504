// attention: o = softmax(scale q k^T) v over the keys that a query sees, and the logarithm of the softmax's sum.
//
// A group of 64 takes a query's head and passes over its keys, 64 at a time, one an invocation, with an online softmax.
// Keys are read once for each query: this is for few of them; attention_tile.comp is for more.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
#include "backends/vulkan/shaders/functions.glsl"
#include "backends/vulkan/shaders/heads.glsl"
layout(constant_id = 0) const uint kType = 0;
layout(constant_id = 1) const bool kPages = false;
const int kMostHead = 256, kHeld = kMostHead / kLanes;  // an invocation holds every 64th number of a head
#include "backends/vulkan/shaders/attention_push.glsl"
shared float query[kMostHead], p[kLanes];

void main() {
    const int t = int(gl_WorkGroupID.x), head = int(gl_WorkGroupID.y), kv = kv_of(h, head);
    const ivec2 keys = keys_of(h, span, t);
    EACH_LANE(i, h.d)
    query[i] = q.at[query_at(h, t, head) + i];
    float top = -kInfinity, sum = 0, held[kHeld];
    for (int e = 0; e < kHeld; ++e) held[e] = 0;
    barrier();
    for (int j0 = keys.x; j0 < keys.y; j0 += kLanes) {
        const bool is_key = j0 + lane() < keys.y;
        float score = -kInfinity;
        if (is_key) {
            const int from = key_at(h, row_of(j0 + lane()), kv);
            float dot = 0;
            for (int i = 0; i < h.d; ++i) dot += query[i] * number_at(k, kType, from + i);
            score = score_of(h, dot);
        }
        const float new_top = max(top, group_max(score));
        const float keep = top == -kInfinity ? 0 : exp_of(top - new_top);
        p[lane()] = is_key ? exp_of(score - new_top) : 0;
        sum = sum * keep + group_sum(p[lane()]);
        top = new_top;
        for (int e = 0; e < kHeld; ++e) {
            const int i = lane() + e * kLanes;
            if (i >= h.d) break;
            float add = held[e] * keep;
            for (int c = 0; c < kLanes && j0 + c < keys.y; ++c)
                add += p[c] * number_at(v, kType, key_at(h, row_of(j0 + c), kv) + i);
            held[e] = add;
        }
        barrier();
    }
    for (int e = 0; e < kHeld; ++e) {
        const int i = lane() + e * kLanes;
        if (i < h.d) o.at[query_at(h, t, head) + i] = keys.x == keys.y ? 0 : held[e] / sum;
    }
    if (lane() == 0) lse.at[t * h.n_heads + head] = keys.x == keys.y ? 0 : top + log_of(sum);
}
