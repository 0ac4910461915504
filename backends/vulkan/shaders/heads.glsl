// Keys and values are [d, H_kv, S], queries [d, H, T].
struct Heads {
    int d, n_heads, n_kv, n_tokens, n_keys;
    float scale, cap;
};
int kv_of(Heads h, int head) {
    return head / (h.n_heads / h.n_kv);
}
// Where a head of a query, or of a key, begins.
int query_at(Heads h, int t, int head) {
    return (t * h.n_heads + head) * h.d;
}
int key_at(Heads h, int row, int kv) {
    return (row * h.n_kv + kv) * h.d;
}
float score_of(Heads h, float dot) {
    return capped(h.scale * dot, h.cap);
}
// Keys that a query sees, cut to those that exist: a wrong span cannot read elsewhere.
ivec2 keys_of(Heads h, I32 span, int t) {
    const int begin = clamp(span.at[2 * t], 0, h.n_keys);
    return ivec2(begin, max(begin, clamp(span.at[2 * t + 1], 0, h.n_keys)));
}
