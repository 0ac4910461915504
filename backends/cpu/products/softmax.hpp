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

// For products in bf16: logits come in f16, and what goes back is bf16, in place.

/// Blocks of a row that have a largest logit of their own.
inline constexpr int64_t kSoftmaxBlock = 1024;
constexpr int64_t softmax_blocks(int64_t n) {
    return (n + kSoftmaxBlock - 1) / kSoftmaxBlock;
}
/// As softmax_sum. If `tops` is not null the logits become, in bf16, e^(logit - tops[block]), tops[block] being the
/// largest logit of the row up to the block's end.
SoftmaxSum softmax_sum_f16(uint16_t * logits, int64_t n, float * tops);
/// What softmax_sum_f16 left becomes factor * softmax in bf16: a multiplication for each block.
void scale_exponentials(uint16_t * exponentials, int64_t n, const float * tops, SoftmaxSum s, float factor);

}  // namespace ql::cpu
