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

/// Whether sources `first` and `first` + 1 are there: ids of rows of W, i32 [R], and their logits, f32 [R, T].
inline bool has_own_logits(const Node & n, size_t first) {
    return n.src.size() > first + 1 && n.src[first] && n.src[first + 1];
}

inline Status check_own_logits(const Node & n, int first) {
    if (!has_own_logits(n, static_cast<size_t>(first))) return {};
    QL_TRY(expect_i32(n, first));
    QL_TRY(expect_f32(n, first + 1));
    const int64_t n_rows = n.src[static_cast<size_t>(first)]->ne(0);
    QL_TRY(expect_shape(n, first, Shape(n_rows)));
    return expect_shape(n, first + 1, Shape(n_rows, n.src[0]->ne(1)));
}

/// Logits that do not come from W: logits[rows[r]] is own[r]. A row outside W is left out.
template <typename Real>
struct OwnLogits {
    const int32_t * rows = nullptr;
    const Real * own = nullptr;  // of one token
    int64_t n = 0;

    OwnLogits(const RefArgs<Real> & a, int first, int64_t token) {
        if (!a.has(first) || !a.has(first + 1)) return;
        n = a.in(first).ne(0);
        rows = a.ids(first), own = a.x(first + 1) + token * n;
    }
    bool is_row(int64_t r, size_t n_vocab) const { return rows[r] >= 0 && static_cast<size_t>(rows[r]) < n_vocab; }
};

/// The logits of one token, in f64, capped where the cap is not 0, become logit - logsumexp; NaN anywhere stays NaN
/// everywhere. Returns the logsumexp.
template <typename Real>
double log_softmax(const Real * x, const std::vector<Real> & w, int64_t n, const OwnLogits<Real> & own, double cap,
                   std::vector<double> & logits) {
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (size_t v = 0; v < logits.size(); ++v) {
        double dot = 0;
        for (int64_t i = 0; i < n; ++i)
            dot += static_cast<double>(w[v * static_cast<size_t>(n) + static_cast<size_t>(i)]) * x[i];
        logits[v] = dot;
    }
    for (int64_t r = 0; r < own.n; ++r)
        if (own.is_row(r, logits.size())) logits[static_cast<size_t>(own.rows[r])] = static_cast<double>(own.own[r]);
    for (double & logit : logits) {
        logit = soft_capped(logit, cap);
        top = std::max(top, logit);
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
