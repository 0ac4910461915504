// The scale of a block of weights by least squared error, where an encoder would take the largest weight's: files and
// decoders stay what they are, and the weights come out closer to what they were.
//
// A weight x decodes to s u, u one of the format's sixteen units, so for given units sum w (x - s u)^2 is least at
// s = sum w x u / sum w u^2, where it is sum w x^2 - (sum w x u)^2 / sum w u^2. The search makes units of 32 scales, 16
// of either sign, and of 16 more around the best of them, and takes the scale whose units leave the least. On weights
// of N(0, 1) in nf4 that is within 1 % of the least error of any scale.
//
// w = importance sqrt(mean(x^2) + x^2): large weights count more (llama.cpp weights so, too), and those whose column of
// the input is large. The error by importance alone, plain without it, decides whether the result is taken at all.
//
// A lane is a candidate, which sees the block's weights in their order: so the sums are the same bits for any width of
// vectors.
#pragma once
#include <cstdint>

namespace ql {

/// What is searched for one block: weights divided by the largest magnitude, their importance, and the product of both.
struct ScaleSearch {
    static constexpr int kMost = 64;
    int n = 0;
    alignas(64) float x[kMost], w[kMost], wx[kMost];

    /// x: n weights, finite; most: the largest magnitude, at least kLeastSearched; importance: n or null.
    ScaleSearch(const float * weights, int count, float most, const float * importance);
};

/// How much the columns of a matrix count: the means of squares of what they are multiplied by, or null where all
/// count the same.
struct Importance {
    const float * columns = nullptr;  // finite, not negative
    int64_t row = 1;                  // how many; whole blocks

    /// Of a block, from its first element on; null where all count the same.
    const float * of(int64_t first) const { return columns ? columns + first % row : nullptr; }
};

/// sum importance (x - decoded)^2.
double weighted_error(const float * x, const float * decoded, int64_t n, const float * importance);

/// sum w x u and sum w u^2 of the units u of sixteen candidates, the lanes of the widest vectors.
inline constexpr int kCandidates = 16;
struct CandidateSums {
    alignas(64) float wxu[kCandidates], wuu[kCandidates];
};

/// Blocks below it keep the scale of their largest weight: near the end of f32 there is nothing to gain.
inline constexpr float kLeastSearched = 1e-30f;
/// Above it, twice a scale, or the distance of two, might not be finite.
inline constexpr float kMostSearched = 1e37f;

/// The best scale found, in units of the largest magnitude; 0 if there is none.
float search_nf4_scale(const ScaleSearch & block);
float search_q4_0_scale(const ScaleSearch & block);

}  // namespace ql
