// kv_store: rows to their places in a cache of f32 or f16, where Inf becomes NaN, which a reader notices.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
layout(constant_id = 0) const bool kF16 = false;
PUSH {
    F32 rows;
    I32 ids;
    F32 cache;
    int n, width, n_cache;
};

void main() {
    EACH_ELEMENT(i, n) {
        const int at = ids.at[i / width], to = at * width + i % width;
        if (at < 0 || at >= n_cache) continue;
        if (!kF16) {
            cache.at[to] = rows.at[i];
            continue;
        }
        const uint h = to_f16(rows.at[i]);
        U16(cache).at[to] = uint16_t((h & 0x7fffu) == 0x7c00u ? h | 0x0200u : h);
    }
}
