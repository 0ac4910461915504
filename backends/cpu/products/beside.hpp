// The terms of a sum that are not of integers - LoRA's -, for the product of integers of the others: it multiplies them a
// piece at a time, in f32 or bf16, and adds its own sums while they are in the cache.
#pragma once
#include <cstddef>

#include "backends/cpu/products/gemm.hpp"
#include "backends/cpu/products/pieces.hpp"

namespace ql::cpu {

/// sums [rows of the tiles][kGroup] = (sums +) the product's rows by the columns of the group. of.panel has the room of
/// all steps for kGroup columns; it is packed where it does not hold the group.
using BesideTiles = void (*)(const void * product, const GroupTiles & of, float * sums, bool add);

struct Beside {
    const void * product = nullptr;  // GemmF32 or GemmBf16, of which c and add are not used
    BesideTiles tiles = nullptr;     // null: there are no such terms
    int64_t depth = 0;               // of all terms
};

inline constexpr int64_t kPackedSteps = 32;  // that a forward panel is filled by, at most

/// Steps of the panel: each term begins at an even one, and the last may be filled up to whole vectors.
template <typename Terms>
int64_t beside_depth(const Terms & terms) {
    int64_t depth = kPackedSteps;
    for (const auto & t : terms) depth += (t.depth() + 1) / 2 * 2;
    return terms.empty() ? 0 : depth;
}

/// In f32; `g` is to live as long as what is returned.
Beside beside(const GemmF32 & g);

}  // namespace ql::cpu
