// What the fused output projection and its gradient share: shape checks, and the softmax of one token's logits.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "ggml/ops/checks.hpp"
#include "ggml/ops/params.hpp"
#include "ggml/ops/soft_cap.hpp"

namespace ql {

/// Checks x [n, T], W [n, V], target i32 [T], weight f32 [T]: sources 0 to 3, and the soft cap.
inline Status check_head_loss(const Node & n) {
    const float cap = n.params.as<HeadLossParams>().cap;
    if (!(std::isfinite(cap) && cap >= 0)) return soft_cap_error("head_loss", cap);
    QL_TRY(expect_matrix(n, 0));
    QL_TRY(expect_weight(n, 1));
    QL_TRY(expect_i32(n, 2));
    QL_TRY(expect_f32(n, 3));
    if (n.src[0]->ne(0) != n.src[1]->ne(0)) return shape_error(n, "inner sizes differ");
    const Shape tokens(n.src[0]->ne(1));
    QL_TRY(expect_shape(n, 2, tokens));
    return expect_shape(n, 3, tokens);
}

/// The logits of one token, in f64, capped where the cap is not 0, become logit - logsumexp; NaN anywhere stays NaN
/// everywhere. Returns the logsumexp.
template <typename Real>
double log_softmax(const Real * x, const std::vector<Real> & w, int64_t n, double cap, std::vector<double> & logits) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (size_t v = 0; v < logits.size(); ++v) {
        double dot = 0;
        for (int64_t i = 0; i < n; ++i)
            dot += static_cast<double>(w[v * static_cast<size_t>(n) + static_cast<size_t>(i)]) * x[i];
        logits[v] = soft_capped(dot, cap);
        top = std::max(top, logits[v]);
    }
    for (const double logit : logits) sum += std::exp(logit - top);
    const double lse = top + std::log(sum);
    for (double & logit : logits) logit -= lse;
    return lse;
}

/// The loss of a token with a target >= 0; a target outside the vocabulary is NaN, which the caller sees in the loss.
inline double token_nll(const std::vector<double> & log_p, int32_t target) {
    const auto i = static_cast<size_t>(target);
    return i < log_p.size() ? -log_p[i] : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace ql
