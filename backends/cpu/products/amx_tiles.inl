// The bf16 product on tile registers of 16 rows by 64 bytes, for any unit that has eight of them and AMX's
// instructions: the processor's own (gemm_amx.cpp), or one in plain C++ by which tests run this file where there is no
// AMX.
//
// A tile of A is 16 rows by 32 steps of p as they lie in memory, one of B is 16 pairs of steps by 16 columns of the
// panel (panel_bf16.inl), one of C 16 by 16 sums in f32. Rows of tokens come 32 at a time and columns 32 at a time: 2 x
// 2 tiles of C take four tile loads for four products, the least that eight registers allow (1 x 4 takes five).
//
// Ends. Of rows: the last tiles are configured with as many rows as there are, and no other is read. Of the depth: the
// panel holds zeros up to a whole number of 32 steps, and the rest of each row of A is copied, with zeros behind it. Of
// columns: whatever the tiles hold there, it is not stored.
//
// Included by translation units that are compiled for AVX-512 BF16, and entered only where it is there.
#pragma once
#include "backends/cpu/products/depth_blocks.hpp"
#include "backends/cpu/products/panel_bf16.inl"
#include "backends/cpu/products/pieces.hpp"
#include "backends/cpu/products/target_bf16.inl"

namespace ql::cpu {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileColumns = 16;                // of sums, or of pairs
constexpr int64_t kTileBytes = 64;                  // of a row
constexpr int64_t kTileSteps = 32;                  // of p
constexpr int64_t kUnitRows = 2 * kTileRows;        // that are multiplied at a time
constexpr int64_t kUnitColumns = 2 * kTileColumns;  // likewise

/// Registers: C 0 to 3, of rows by columns; A 4 and 5; B 6 and 7. What ldtilecfg reads, in its layout.
struct alignas(64) TileShapes {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};

    /// Of 1 to 32 rows of A and C. Registers for rows that do not exist stay without a shape.
    explicit TileShapes(int64_t n_rows) {
        const int64_t upper = smaller(n_rows, kTileRows),
                      of_register[] = {upper, upper,          n_rows - upper, n_rows - upper,
                                       upper, n_rows - upper, kTileRows,      kTileRows};
        for (int i = 0; i < 8; ++i) {
            rows[i] = static_cast<uint8_t>(of_register[i]);
            row_bytes[i] = rows[i] ? kTileBytes : 0;
        }
    }
};
static_assert(sizeof(TileShapes) == 64);
// So that a depth that is one block of the vdpbf16ps product is one block here: product.cpp counts on it.
static_assert(kMaxTerms * (kTileSteps - 1) <= DepthBlocks<uint16_t>::kCut);

/// Where a unit's sums go: rows of C from its first one.
struct TileTarget : Target {
    int64_t rows;  // that exist
};

/// sums: rows of kUnitColumns.
inline void write_sums(const float * sums, const TileTarget & to) {
    for (int64_t v = 0; v < to.columns; v += kLanes) {
        const __mmask16 there = first_lanes(to.columns - v);
        for (int64_t r = 0; r < to.rows; ++r)
            store_sums(_mm512_load_ps(sums + r * kUnitColumns + v), to, r * to.ldc + v, there);
    }
}

/// C is on its way while the sums are formed.
inline void prefetch_target(const TileTarget & to) {
    if (!to.c) return;
    for (int64_t r = 0; r < to.rows; ++r)
        for (int64_t v = 0; v < to.columns; v += kLanes) __builtin_prefetch(to.c + r * to.ldc + v, 1);
}

/// A stretch of the depth: a unit's rows of A, and B in the panel.
struct TilePart {
    int64_t steps;          // of kTileSteps, whole
    const uint16_t * a;     // from the unit's first row
    int64_t a_row;          // elements from a row to the next
    const uint32_t * b;     // from the group's first column
    const uint16_t * rest;  // one step more: rows of kTileSteps. Null: none
};
struct TileParts {
    TilePart part[kMaxTerms];
    int n = 0;
};

/// Adds `steps` steps to the R x N tiles of C. The loop holds tile loads and products alone.
template <int R, int N, typename Unit>
[[gnu::always_inline]] inline void add_steps(Unit & unit, int64_t steps, const uint16_t * a, int64_t a_row,
                                             const uint32_t * b) {
    const int64_t a_bytes = a_row * static_cast<int64_t>(sizeof(*a));
    constexpr int64_t kBytes = kPairs * static_cast<int64_t>(sizeof(*b));
    [[maybe_unused]] const uint16_t * lower = R == 2 ? a + kTileRows * a_row : a;
    for (; steps > 0; --steps, a += kTileSteps, lower += kTileSteps, b += kTileSteps / 2 * kPairs) {
        unit.template load<4>(a, a_bytes);
        unit.template load<6>(b, kBytes);
        unit.template multiply<0, 4, 6>();
        if constexpr (N == 2) {
            unit.template load<7>(b + kTileColumns, kBytes);
            unit.template multiply<1, 4, 7>();
        }
        if constexpr (R == 2) {
            unit.template load<5>(lower, a_bytes);
            unit.template multiply<2, 5, 6>();
            if constexpr (N == 2) unit.template multiply<3, 5, 7>();
        }
    }
}

/// R x N tiles of C, from column `column` of the group.
template <int R, int N, typename Unit>
[[gnu::noinline]] void multiply_tiles(Unit & unit, const TileParts & parts, int64_t column, const TileTarget & to) {
    unit.template zero<0>();
    if constexpr (N == 2) unit.template zero<1>();
    if constexpr (R == 2) unit.template zero<2>();
    if constexpr (R == 2 && N == 2) unit.template zero<3>();
    prefetch_target(to);
    for (const TilePart * p = parts.part; p < parts.part + parts.n; ++p) {
        const uint32_t * b = p->b + column;
        add_steps<R, N>(unit, p->steps, p->a, p->a_row, b);
        if (p->rest) add_steps<R, N>(unit, 1, p->rest, kTileSteps, b + p->steps * (kTileSteps / 2) * kPairs);
    }
    alignas(64) float sums[kUnitRows * kUnitColumns];
    constexpr int64_t kBytes = kUnitColumns * sizeof(float), kLower = kTileRows * kUnitColumns;
    unit.template store<0>(sums, kBytes);
    if constexpr (N == 2) unit.template store<1>(sums + kTileColumns, kBytes);
    if constexpr (R == 2) unit.template store<2>(sums + kLower, kBytes);
    if constexpr (R == 2 && N == 2) unit.template store<3>(sums + kLower + kTileColumns, kBytes);
    write_sums(sums, to);
}

/// A piece of a product. The tiles are configured when the first unit is multiplied, again where the number of rows
/// changes, which is at the last rows of a group alone, and released at the end.
template <typename Unit>
class TilePiece {
  public:
    TilePiece(const GemmBf16 & g, const GroupTiles & of)
        : g_(g), of_(of), columns_(g.columns()), panel_(reinterpret_cast<uint32_t *>(of.panel)) {}
    ~TilePiece() {
        if (rows_ > 0) unit_.release();
    }
    TilePiece(const TilePiece &) = delete;
    TilePiece & operator=(const TilePiece &) = delete;

    void multiply(const DepthBlock & block) {
        if (!of_.packed) pack(block);
        for (int64_t tile = of_.first; tile < of_.last; ++tile)
            multiply_unit(block, of_.group * kGroup, tile * kUnitRows);
    }

  private:
    void pack(const DepthBlock & block) {
        for (const Piece & piece : block.list()) {
            uint32_t * b = panel_ + piece.at / 2 * kPairs;
            Packer(g_.terms[static_cast<size_t>(piece.term)]).pack(of_.group, piece.p0, piece.depth, b);
            constexpr int64_t kTilePairs = kTileSteps / 2;
            const int64_t pairs = (piece.depth + 1) / 2, padded = (pairs + kTilePairs - 1) / kTilePairs * kTilePairs;
            __builtin_memset(b + pairs * kPairs, 0, static_cast<size_t>((padded - pairs) * kPairs) * sizeof(*b));
        }
    }

    void multiply_unit(const DepthBlock & block, int64_t first_column, int64_t t) {
        const int64_t rows = smaller(kUnitRows, g_.rows - t);
        if (rows != rows_) unit_.configure(TileShapes(rows));
        rows_ = rows;
        const TileParts parts = parts_of(block, t);
        const int64_t n = smaller(kGroup, columns_ - first_column);
        for (int64_t column = 0; column < n; column += kUnitColumns) {
            const int64_t left = smaller(kUnitColumns, n - column);
            const TileTarget to = {target(g_, block, t * g_.ldc + first_column + column, left), rows};
            if (rows > kTileRows)
                left > kTileColumns ? multiply_tiles<2, 2>(unit_, parts, column, to)
                                    : multiply_tiles<2, 1>(unit_, parts, column, to);
            else
                left > kTileColumns ? multiply_tiles<1, 2>(unit_, parts, column, to)
                                    : multiply_tiles<1, 1>(unit_, parts, column, to);
        }
    }

    TileParts parts_of(const DepthBlock & block, int64_t t) {
        TileParts parts;
        for (const Piece & piece : block.list()) {
            const Term<uint16_t> & term = g_.terms[static_cast<size_t>(piece.term)];
            const uint16_t * a = term.a + t * term.a_row + piece.p0;
            const int64_t steps = piece.depth / kTileSteps, left = piece.depth % kTileSteps;
            const uint16_t * rest = left ? copy_rest(parts.n, a + steps * kTileSteps, term.a_row, left) : nullptr;
            parts.part[parts.n++] = {steps, a, term.a_row, panel_ + piece.at / 2 * kPairs, rest};
        }
        return parts;
    }

    /// The last `left` steps of each row, with zeros behind them.
    const uint16_t * copy_rest(int part, const uint16_t * a, int64_t a_row, int64_t left) {
        for (int64_t r = 0; r < rows_; ++r, a += a_row)
            _mm512_store_si512(rest_[part][r], _mm512_maskz_loadu_epi16((1u << left) - 1, a));
        return rest_[part][0];
    }

    const GemmBf16 & g_;
    const GroupTiles of_;
    const int64_t columns_;
    uint32_t * const panel_;
    Unit unit_;
    int64_t rows_ = 0;  // that the tiles are configured for
    alignas(64) uint16_t rest_[kMaxTerms][kUnitRows][kTileSteps];
};

template <typename Unit>
void gemm_tiles(Pool & pool, const GemmBf16 & g, std::byte * scratch) {
    constexpr int64_t kTilesOfPiece = 8;
    DepthBlocks<uint16_t> blocks(g.terms, panel_depth(g), kTileSteps);
    for (DepthBlock block; blocks.next(block);)
        run_pieces(pool, g.groups(), (g.rows + kUnitRows - 1) / kUnitRows, kTilesOfPiece, scratch, panel_bytes(g),
                   [&](const GroupTiles & of) { TilePiece<Unit>(g, of).multiply(block); });
}

}  // namespace
}  // namespace ql::cpu
