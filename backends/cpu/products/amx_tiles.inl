// The bf16 product on tile registers (amx_unit.inl). B is a panel of products/panel_bf16.inl.
//
// Shapes. Usually 2 x 2 tiles of C, 32 rows of tokens by 32 columns, which take four tile loads for four products, the
// least that eight registers allow. A product has to wait for the one before it in the same tile of C, 52 cycles where
// it takes 16: four tiles of C cover that. So up to 16 columns, as in x A^T of a LoRA branch, come with 64 rows at a
// time, and up to 16 rows, as in short prompts, with 64 columns: 4 x 1 and 1 x 4 take five loads, 40 cycles of 64 from
// L1; from L2, 80 bytes a cycle are wanted where it gives 64 at most, still a third more than with two tiles in turn.
//
// Ends. Of rows: the last tiles are configured with as many rows as there are, and no other is read. Of the depth: the
// panel holds zeros up to a whole number of 32 steps, and the rest of each row of A is copied, with zeros behind it. Of
// columns: whatever the tiles hold there, it is not stored.
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it.
#pragma once
#include "backends/cpu/amx_unit.inl"
#include "backends/cpu/products/depth_blocks.hpp"
#include "backends/cpu/products/panel_bf16.inl"
#include "backends/cpu/products/pieces.hpp"
#include "backends/cpu/products/target_bf16.inl"

namespace ql::cpu {
namespace {

// So that a depth that is one block of the vdpbf16ps product is one block here: product.cpp counts on it.
static_assert(kMaxTerms * (kTileSteps - 1) <= DepthBlocks<uint16_t>::kCut);

/// Where a unit's sums go: rows of C from its first one.
struct TileTarget : TargetBf16 {
    int64_t rows;  // that exist
};

/// sums: rows of kColumns.
template <int64_t kColumns>
inline void write_sums(const float * sums, const TileTarget & to) {
    for (int64_t v = 0; v < to.columns; v += kLanes) {
        const __mmask16 there = first_lanes(to.columns - v);
        for (int64_t r = 0; r < to.rows; ++r)
            store_sums(_mm512_load_ps(sums + r * kColumns + v), to, r * to.ldc + v, there);
    }
}

/// C is fetched while the sums are formed.
inline void prefetch_target(const TileTarget & to) {
    if (!to.c) return;
    for (int64_t r = 0; r < to.rows; ++r)
        for (int64_t v = 0; v < to.columns; v += kLanes) __builtin_prefetch(to.c + r * to.ldc + v, 1);
}

/// A stretch of the depth: a unit's rows of A, and B in the panel.
struct TileStretch {
    int64_t steps;          // of kTileSteps, whole
    const uint16_t * a;     // from the unit's first row
    int64_t a_row;          // elements from a row to the next
    const uint32_t * b;     // from the group's first column
    const uint16_t * rest;  // one step more: rows of kTileSteps. Null: none
};
struct TileStretches {
    TileStretch stretch[kMaxTerms];
    int n = 0;
};

/// R x N tiles of C, from column `column` of the group.
template <int R, int N, typename Unit>
[[gnu::noinline]] void multiply_tiles(Unit & unit, const TileStretches & stretches, int64_t column,
                                      const TileTarget & to) {
    using Of = Registers<R, N>;
    for_tiles<R, N>([&]<int r, int n>() { unit.template zero<Of::c(r, n)>(); });
    prefetch_target(to);
    for (const TileStretch * p = stretches.stretch; p < stretches.stretch + stretches.n; ++p) {
        const uint32_t * b = p->b + column;
        add_steps<R, N>(unit, p->steps, p->a, p->a_row, b, kPairs);
        if (p->rest) add_steps<R, N>(unit, 1, p->rest, kTileSteps, b + p->steps * kTilePairs * kPairs, kPairs);
    }
    constexpr int64_t kColumns = N * kTileColumns;
    alignas(64) float sums[R * kTileRows * kColumns];
    for_tiles<R, N>([&]<int r, int n>() {
        unit.template store<Of::c(r, n)>(sums + r * kTileRows * kColumns + n * kTileColumns, kColumns * sizeof(float));
    });
    write_sums<kColumns>(sums, to);
}

/// A piece of a product. The tiles are configured when the first unit is multiplied, again where the number of rows
/// changes, which happens only at the last rows of a group, and released at the end.
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
        const int64_t end = smaller(of_.last * kUnitRows, g_.rows);
        for (int64_t t = of_.first * kUnitRows, n; t < end; t += n) {
            n = end - t >= kTallRows && is_narrow() ? kTallRows : smaller(end - t, kUnitRows);
            multiply_unit(block, t, n);
        }
    }

  private:
    void pack(const DepthBlock & block) {
        for (const Piece & piece : block.list()) {
            uint32_t * b = panel_ + piece.at / 2 * kPairs;
            PackerBf16(g_.terms[static_cast<size_t>(piece.term)]).pack(of_.group, piece.p0, piece.depth, b);
            const int64_t pairs = (piece.depth + 1) / 2, padded = (pairs + kTilePairs - 1) / kTilePairs * kTilePairs;
            __builtin_memset(b + pairs * kPairs, 0, static_cast<size_t>((padded - pairs) * kPairs) * sizeof(*b));
        }
    }

    static constexpr int64_t kTallRows = 4 * kTileRows;

    int64_t first_column() const { return of_.group * kGroup; }
    bool is_narrow() const { return columns_ - first_column() <= kTileColumns; }

    void configure(int64_t rows) {
        rows = smaller(rows, kUnitRows);
        if (rows != rows_) unit_.configure(TileShapes(rows));
        rows_ = rows;
    }

    /// `rows` rows from row t on; kTallRows where the group is narrow, else kUnitRows at most.
    void multiply_unit(const DepthBlock & block, int64_t t, int64_t rows) {
        configure(rows);
        const TileStretches stretches = stretches_of(block, t, rows);
        const int64_t n = smaller(kGroup, columns_ - first_column());
        const int64_t step = rows > kUnitRows ? kTileColumns : rows > kTileRows ? 2 * kTileColumns : kGroup;
        for (int64_t column = 0; column < n; column += step) {
            const int64_t left = smaller(step, n - column), tiles = (left + kTileColumns - 1) / kTileColumns;
            const TileTarget to = {target(g_, block, t * g_.ldc + first_column() + column, left), rows};
            const auto multiply = rows > kUnitRows   ? multiply_tiles<4, 1, Unit>
                                  : rows > kTileRows ? kTwoRows[tiles - 1]
                                                     : kOneRow[tiles - 1];
            multiply(unit_, stretches, column, to);
        }
    }

    TileStretches stretches_of(const DepthBlock & block, int64_t t, int64_t rows) {
        TileStretches stretches;
        for (const Piece & piece : block.list()) {
            const Term<uint16_t> & term = g_.terms[static_cast<size_t>(piece.term)];
            const uint16_t * a = term.a + t * term.a_row + piece.p0;
            const int64_t steps = piece.depth / kTileSteps, left = piece.depth % kTileSteps;
            const uint16_t * rest =
                left ? copy_rest(stretches.n, a + steps * kTileSteps, term.a_row, rows, left) : nullptr;
            stretches.stretch[stretches.n++] = {steps, a, term.a_row, panel_ + piece.at / 2 * kPairs, rest};
        }
        return stretches;
    }

    /// The last `left` steps of each row, with zeros behind them.
    const uint16_t * copy_rest(int stretch, const uint16_t * a, int64_t a_row, int64_t rows, int64_t left) {
        for (int64_t r = 0; r < rows; ++r, a += a_row)
            _mm512_store_si512(rest_[stretch][r], _mm512_maskz_loadu_epi16((1u << left) - 1, a));
        return rest_[stretch][0];
    }

    using Multiply = void (*)(Unit &, const TileStretches &, int64_t, const TileTarget &);
    static constexpr Multiply kTwoRows[] = {multiply_tiles<2, 1, Unit>, multiply_tiles<2, 2, Unit>};
    static constexpr Multiply kOneRow[] = {multiply_tiles<1, 1, Unit>, multiply_tiles<1, 2, Unit>,
                                           multiply_tiles<1, 3, Unit>, multiply_tiles<1, 4, Unit>};

    const GemmBf16 & g_;
    const GroupTiles of_;
    const int64_t columns_;
    uint32_t * const panel_;
    Unit unit_;
    int64_t rows_ = 0;  // that the tiles are configured for
    alignas(64) uint16_t rest_[kMaxTerms][kTallRows][kTileSteps];
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
