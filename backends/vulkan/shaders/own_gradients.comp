// head_loss_back: the gradients of the logits of own_logits.comp, which are then none of the weight's.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/elements.glsl"
PUSH {
    F32 logits;
    I32 rows;
    F32 down;
    int n_tokens, n_vocab, n_own;
};

void main() {
    EACH_ELEMENT(t, n_tokens)
    for (int r = 0; r < n_own; ++r) {
        const int row = rows.at[r];
        const bool is_row = row >= 0 && row < n_vocab;
        down.at[t * n_own + r] = is_row ? logits.at[t * n_vocab + row] : 0;
        if (is_row) logits.at[t * n_vocab + row] = 0;
    }
}
