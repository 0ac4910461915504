// Softmax and cross-entropy of rows of logits.
#pragma once
#include <cstdint>

namespace ql::cpu {

/// Rows of logits are padded to this and filled up with -Inf, which softmax makes zeros.
inline constexpr int64_t kLogitPad = 16;

/// The largest logit of a row and the sum of e^(logit - largest).
struct SoftmaxSum {
    float largest;
    double sum;
};

/// n a multiple of kLogitPad. A NaN among the logits makes the sum NaN.
SoftmaxSum softmax_sum(const float * logits, int64_t n);

/// Logits become factor * softmax, in place.
void scaled_softmax(float * logits, int64_t n, SoftmaxSum s, float factor);
/// The same, rounded to bf16: n values of 16 bits from the row's start.
void scaled_softmax_bf16(float * logits, int64_t n, SoftmaxSum s, float factor);

}  // namespace ql::cpu
