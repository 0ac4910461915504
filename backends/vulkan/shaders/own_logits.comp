// head_loss: rows of the vocabulary that have logits of their own get these, in their order.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
PUSH {
    F32 logits;
    I32 rows;
    F32 own;
    int n_tokens, n_vocab, n_own;
};

void main() {
    EACH_ELEMENT(t, n_tokens)
    for (int r = 0; r < n_own; ++r) {
        const int row = rows.at[r];
        if (row >= 0 && row < n_vocab) logits.at[t * n_vocab + row] = own.at[t * n_own + r];
    }
}
