// attention of many queries: attention.comp's results, with kOwn queries of a head a group and tiles of kOther keys, then values.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/attention_tiles.glsl"
layout(constant_id = 3) const uint kType = 0;
layout(constant_id = 4) const bool kPages = false;
#include "backends/vulkan/shaders/attention_push.glsl"
shared float query[kOwn * kStep], tile[kOther * kStep], p[kOwn][kOther];
shared ivec2 seen[kOwn];

void load_tile(F32 from, int j0, int last, int kv) {
    for (int e = lane(); e < kOther * h.d; e += kThreads) {
        const int j = e / h.d, i = e % h.d;
        tile[j * kStep + i] = j0 + j < last ? number_at(from, kType, key_at(h, row_of(j0 + j), kv) + i) : 0;
    }
}

void main() {
    const int t0 = int(gl_WorkGroupID.x) * kOwn, head = int(gl_WorkGroupID.y), kv = kv_of(h, head), row = own_row();
    if (lane() < kOwn) seen[lane()] = t0 + lane() < h.n_tokens ? keys_of(h, span, t0 + lane()) : ivec2(0);
    for (int e = lane(); e < kOwn * h.d; e += kThreads) {
        const int t = t0 + e / h.d;
        query[e / h.d * kStep + e % h.d] = t < h.n_tokens ? q.at[query_at(h, t, head) + e % h.d] : 0;
    }
    barrier();
    int first = h.n_keys, last = 0;  // of the keys that any of them sees
    for (int r = 0; r < kOwn; ++r) {
        if (seen[r].x == seen[r].y) continue;
        first = min(first, seen[r].x);
        last = max(last, seen[r].y);
    }
    const ivec2 keys = seen[row];
    float top = -kInfinity, sum = 0, held[kHeld];
    for (int e = 0; e < kHeld; ++e) held[e] = 0;
    for (int j0 = first; j0 < last; j0 += kOther) {
        barrier();
        load_tile(k, j0, last, kv);
        barrier();
        float score[kScores];
        int n = 0;
        EACH_SCORE(j) {
            float dot = 0;
            for (int i = 0; i < h.d; ++i) dot += query[row * kStep + i] * tile[j * kStep + i];
            score[n] = j0 + j >= keys.x && j0 + j < keys.y ? score_of(h, dot) : -kInfinity;
            p[row][j] = score[n++];
        }
        barrier();
        float new_top = top;
        for (int j = 0; j < kOther; ++j) new_top = max(new_top, p[row][j]);
        barrier();
        n = 0;
        EACH_SCORE(j) {
            p[row][j] = score[n] == -kInfinity ? 0 : exp_of(score[n] - new_top);
            ++n;
        }
        load_tile(v, j0, last, kv);
        barrier();
        const float keep = top == -kInfinity ? 0 : exp_of(top - new_top);
        float more = 0;
        for (int j = 0; j < kOther; ++j) more += p[row][j];
        sum = sum * keep + more;
        top = new_top;
        EACH_COLUMN(e, i, h.d) {
            float add = held[e] * keep;
            for (int j = 0; j < kOther; ++j) add += p[row][j] * tile[j * kStep + i];
            held[e] = add;
        }
    }
    const int t = t0 + row;
    if (t >= h.n_tokens) return;
    EACH_COLUMN(e, i, h.d)
    o.at[query_at(h, t, head) + i] = keys.x == keys.y ? 0 : held[e] / sum;
    if (row_lane() == 0) lse.at[t * h.n_heads + head] = keys.x == keys.y ? 0 : top + log_of(sum);
}
