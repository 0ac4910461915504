// Rounding by thresholds: dithered quantisation. A weight lies between two values of its block, at the part p of the way
// from the lower to the upper one. Rounding to the nearest takes the upper one where p > 1/2. Here each element of a
// tensor has a threshold t of its own, uniform in [0, 1), and the upper one is taken where p > t. What lies on a value
// stays. The mean over elements is the weight itself: a change of many weights that is smaller than the step between two
// values shows at once, in the few weights whose threshold it passes.          (Roberts 1962; Gupta et al. 2015)
//
// A threshold is a function of the tensor's key and the element, never drawn anew: so the codes are a function of the
// weights. Scales are those of rounding to the nearest, as are the first codes; a code is moved by one at most.
#pragma once
#include <cstdint>

#include "ql/dtype.h"

namespace ql {

/// The thresholds of a piece of a tensor, which begins with element `first`.
struct Dither {
    uint32_t key = 0;
    int64_t first = 0;

    [[gnu::always_inline]] Dither from(int64_t element) const { return {key, first + element}; }
};

/// The threshold of an element: 24 bits of a hash that mixes every bit of key and element.    (Wellons 2018, lowbias32)
[[gnu::always_inline]] constexpr float dither_threshold(uint32_t key, int64_t element) {
    uint32_t h = static_cast<uint32_t>(static_cast<uint64_t>(element)) * 0x9e3779b1u ^ key;
    h = (h ^ h >> 16) * 0x7feb352du;
    h = (h ^ h >> 15) * 0x846ca68bu;
    h ^= h >> 16;
    return static_cast<float>(h >> 8) * 0x1p-24f;
}

/// A weight is scale * unit[code] + offset.
struct DitherLine {
    float scale, offset;
};

/// The values of sixteen codes, ascending, and the steps from each to the next one up and down; from the last there is
/// none: infinity.
struct DitherUnits {
    float unit[16], up[16], down[16];

    [[gnu::always_inline]] explicit constexpr DitherUnits(const float (&units)[16]) : unit(), up(), down() {
        for (int c = 0; c < 16; ++c) {
            unit[c] = units[c];
            up[c] = c < 15 ? units[c + 1] - units[c] : __builtin_inff();
            down[c] = c > 0 ? units[c] - units[c - 1] : __builtin_inff();
        }
    }
};

/// Runs of n bytes of codes, `stride` bytes from one to the next: byte j of a run has the code of its weight j in the
/// lower four bits, that of its weight n + j in the upper ones. lines [2, n]: of the two halves of each run.
struct NibbleRuns {
    int64_t n, stride;
    const DitherLine * lines;
};

/// Moves codes, which are those of rounding to the nearest. x has the weights of one run after the other; n, bytes of a run,
/// is a multiple of 16.
void dither_nibbles(const float * x, int n, const NibbleRuns & runs, const DitherUnits & units, const Dither & dither,
                    uint8_t * codes);

/// Moves codes of what a format's encode made of n weights.
using DitherCodes = void (*)(const float * src, int64_t n, const Dither & dither, void * encoded);

/// Of the formats that have it; nullptr for the others.
DitherCodes find_dither(ql_dtype dtype);

/// Of nf4, whose codes and scales lie apart: n / 64 blocks.
void dither_nf4(const float * src, int64_t n, const Dither & dither, const float * absmax, uint8_t * codes);

}  // namespace ql
