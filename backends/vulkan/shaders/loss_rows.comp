// head_loss: a token's loss from its logits, by a group of 64; with kGradient the logits become their gradient.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "backends/vulkan/shaders/rows.glsl"
#include "backends/vulkan/shaders/functions.glsl"
layout(constant_id = 0) const bool kGradient = false;
PUSH {
    F32 logits;
    I32 target;
    F32 weight, nll, d_loss;
    int n_vocab, n_rows;
    float cap;
};

void main() {
    const int t = group();
    if (t >= n_rows) return;
    const int first = t * n_vocab, wanted = target.at[t];
    if (wanted < 0) {
        if (lane() == 0) nll.at[t] = 0;
        EACH_LANE(v, kGradient ? n_vocab : 0)
        logits.at[first + v] = 0;
        return;
    }
    float top = -kInfinity, sum = 0;
    EACH_LANE(v, n_vocab)
    top = max(top, capped(logits.at[first + v], cap));
    top = group_max(top);
    EACH_LANE(v, n_vocab)
    sum += exp_of(capped(logits.at[first + v], cap) - top);
    const float lse = top + log_of(group_sum(sum));
    if (lane() == 0) nll.at[t] = wanted < n_vocab ? lse - capped(logits.at[first + wanted], cap) : kNan;
    if (!kGradient) return;
    barrier();  // the wanted logit was read
    const float factor = d_loss.at[0] * weight.at[t];
    EACH_LANE(v, n_vocab) {
        const float x = capped(logits.at[first + v], cap);
        logits.at[first + v] = cap_slope(x, cap) * factor * (exp_of(x - lse) - (v == wanted ? 1 : 0));
    }
}
