// Products of up to four tokens with `--compute int8`: the weight's own whole numbers, and those of each token.
//
// A token is cut into fours, and a four has a scale, its largest magnitude / 127, and codes, round(x * (127 / largest)),
// to nearest, ties to even. So one large number spoils three others, not a block; a rotation as of coded.hpp, which the
// weight would have to share, would cost more than the product.
//
// A weight is of whole numbers times a scale, as its format has them: q of q4_0, q4_1, iq4_nl, q4_K, q5_K and q6_K; of
// nf4, where there are no products of bf16, round(F codebook), F = kNF4Factor. Other types stay in f32, q8_0 because that
// keeps up with memory. A block of 64 has 16 sums, of 4 products each, with the four's scale s and the
// weight's scale d and, where its format has one, least value m:
//
//     lane[l] = lane[l] + float(sum of 4 q * code) * (d * s)        q: less its offset, 8 of q4_0 and 32 of q6_K
//     lane[l] = lane[l] + m * (float(sum of 4 codes) * s)           where there is an m
//
// for all blocks of the row in order. Then lanes l and l + 8 are added, l + 4, l + 2, l + 1; of nf4 that is divided by F
// (times 1 / F). Each operation is rounded by itself, and sums of integers are exact: all instruction sets give the same
// bits, for a token alone as among others.
//
// A four with a NaN or an infinity has the scale NaN; one whose largest magnitude is below 2^-100 is zero.
#pragma once
#include "backends/cpu/device.hpp"
#include "backends/cpu/products/dot_rows.hpp"
#include "backends/cpu/products/weight.hpp"

namespace ql::cpu {

inline constexpr int64_t kFourBlock = 64, kFours = 16;
inline constexpr int64_t kUnitBlocks = 512;  // of a row, at most

/// 64 numbers of a token.
struct alignas(64) CodedFours {
    int8_t codes[kFourBlock];
    float scales[kFours];
    int32_t starts[kFours];  // -offset times the sum of a four's codes: what a sum of products starts from
    float sums[kFours];      // the sum of a four's codes, times its scale
};

/// nf4's codebook times this is rounded: of the whole factors up to 127 the one that leaves the least squared error, 1.1e-5
/// of the squares.
inline constexpr float kNF4Factor = 112;

struct CodedDots {
    DotRows rows = nullptr;  // null: the product stays in f32. x: blocks of CodedFours
    int32_t offset = 0;      // that the kernel's numbers have too much
};
/// The kernel of a weight, for this many tokens.
CodedDots coded_dots(const CpuDevice & cpu, const Weight & w, int64_t tokens);

/// Rows of f32 [k, tokens] to blocks.
void code_fours(const float * x, int64_t k, int64_t tokens, int32_t offset, CodedFours * to);

}  // namespace ql::cpu
