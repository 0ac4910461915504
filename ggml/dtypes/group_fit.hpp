// Scales of groups of weights by least squared error, eight groups at a time: what the encoders of the K types and of
// iq4_nl search with.
//
// A weight x becomes s q (signed types), s q - m (affine types) or s u[q]. For given codes q the best s and m are those of
// a line through points, so the search makes codes with a dozen scales around the one that reaches the group's largest
// weight, fits a line to each, keeps the line that explains most, and does so once more with the codes of that line.
//
// A lane is a group, which sees its weights in their order, and every operation is rounded by itself: so the bits are the
// same for any width of vectors, and for NumPy (gguf-py/qlora_gguf/quants/group_fit.py).
#pragma once
#include <cstdint>

namespace ql {

inline constexpr int kFitted = 8;  // groups at a time

/// Weight j of group g is x[j][g].
struct Groups {
    static constexpr int kMost = 32;
    int n;  // weights in a group
    alignas(32) float x[kMost][kFitted];

    /// `count` groups of n weights, one after the other; those that lack are zeros.
    Groups(const float * weights, int n_weights, int count = kFitted);
};

/// Below it a group is zero, and what is above it is refused: between them no square overflows or vanishes.
inline constexpr float kLeastFitted = 1e-12f;
inline constexpr float kMostFitted = 1e9f;

/// Of each group: scale and minimum, x = scale q - minimum, both >= 0; and the sum of its weights.
struct AffineFit {
    alignas(32) float scale[kFitted], minimum[kFitted], sum_x[kFitted];
};

/// Codes, and their sums: of q, q q and x q.
struct GroupCodes {
    alignas(32) float q[kFitted], qq[kFitted], xq[kFitted];
    alignas(32) uint8_t code[Groups::kMost][kFitted];
};

/// Codes are 0 to top.
void fit_affine(const Groups & groups, float top, AffineFit & fit);
/// q = round((x + minimum) / scale), and 0 where the scale is.
void affine_codes(const Groups & groups, const float * scale, const float * minimum, float top, GroupCodes & to);

/// Codes are -half to half - 1, scales of either sign.
void fit_signed(const Groups & groups, float half, float * scale);
/// q = round(x / scale), and 0 where the scale is; `code` is q + half, the sums are those of q.
void signed_codes(const Groups & groups, const float * scale, float half, GroupCodes & to);

/// Sixteen units in ascending order, the first and the last of opposite signs.
void fit_units(const Groups & groups, const float * units, float * scale);
/// Sum of (x / scale - unit)^2, the unit the nearest.
void unit_errors(const Groups & groups, const float * scale, const float * units, float * error);
/// `code` is the number of the unit nearest to x / scale, the lower one of two as near; to 0 where the scale is 0.
void unit_codes(const Groups & groups, const float * scale, const float * units, GroupCodes & to);

}  // namespace ql
