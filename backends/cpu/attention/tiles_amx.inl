// Small matrix products of attention on tile registers: C = A B or C += A B, operands as pack_bf16.inl makes them.
//
// A is rows of pairs, B rows of pairs of columns, C rows of f32; all in whole tiles. C comes in 2 x 2 tiles, which take
// four tile loads for four products. Each number of C is one chain of steps of 32 in the order of the depth, and steps
// of zeros add nothing.
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it.
#pragma once
#include "backends/cpu/amx_unit.inl"

namespace ql::cpu {
namespace {

/// Rows are `row` pairs, or sums, apart.
struct LeftTiles {
    const uint32_t * p;
    int64_t row;
};
struct RightTiles {
    const uint32_t * p;
    int64_t row, steps;
};
struct SumTiles {
    float * p;
    int64_t row;
};

/// R x N tiles of C.
template <int R, int N, bool kAdd, typename Unit>
[[gnu::always_inline]] inline void multiply_tiles(Unit & unit, LeftTiles a, RightTiles b, SumTiles c) {
    using Of = Registers<R, N>;
    const auto at = [&](int r, int n) { return c.p + r * kTileRows * c.row + n * kTileColumns; };
    const int64_t c_bytes = c.row * static_cast<int64_t>(sizeof(float));
    for_tiles<R, N>([&]<int r, int n>() {
        if constexpr (kAdd)
            unit.template load<Of::c(r, n)>(at(r, n), c_bytes);
        else
            unit.template zero<Of::c(r, n)>();
    });
    add_steps<R, N>(unit, b.steps, reinterpret_cast<const uint16_t *>(a.p), 2 * a.row, b.p, b.row);
    for_tiles<R, N>([&]<int r, int n>() { unit.template store<Of::c(r, n)>(at(r, n), c_bytes); });
}

/// R rows of tiles, `columns` of them.
template <int R, bool kAdd, typename Unit>
inline void multiply_rows(Unit & unit, LeftTiles a, RightTiles b, SumTiles c, int64_t columns) {
    for (; columns >= 2; columns -= 2, b.p += 2 * kTileColumns, c.p += 2 * kTileColumns)
        multiply_tiles<R, 2, kAdd>(unit, a, b, c);
    if (columns) multiply_tiles<R, 1, kAdd>(unit, a, b, c);
}

/// C (+)= A B of rows x columns tiles.
template <bool kAdd, typename Unit>
inline void multiply(Unit & unit, LeftTiles a, RightTiles b, SumTiles c, int64_t rows, int64_t columns) {
    for (; rows >= 2; rows -= 2, a.p += kUnitRows * a.row, c.p += kUnitRows * c.row)
        multiply_rows<2, kAdd>(unit, a, b, c, columns);
    if (rows) multiply_rows<1, kAdd>(unit, a, b, c, columns);
}

}  // namespace
}  // namespace ql::cpu
