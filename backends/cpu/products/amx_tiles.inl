// The bf16 product on tile registers (amx_unit.inl). B is a panel of products/panel_bf16.inl.
//
// Shapes. Usually 2 x 2 tiles of C, 32 rows of tokens by 32 columns, which take four tile loads for four products, the
// least that eight registers allow. A product has to wait for the one before it in the same tile of C, 52 cycles where
// it takes 16: four tiles of C cover that. So up to 16 columns, as in x A^T of a LoRA branch, come with 64 rows at a
// time, and up to 16 rows, as in short prompts, with 64 columns: 4 x 1 and 1 x 4 take five loads, 40 cycles of 64 from
// L1; from L2, 80 bytes a cycle are wanted where it gives 64 at most, still a third more than with two tiles in turn.
//
// Order. 32 columns of B stay in L1 while the rows of A pass by, where the depth lets them: A is loaded as data that is
// used once, or it would push B out. Not so the first time, as such loads would not bring it into L2 either. Where B is
// deeper than L1, both halves of the 64 columns come with each 32 rows of A. Of a deep A, only as many rows as leave
// room in L2 are taken with all groups before the next rows are, which costs decoding the groups again.
//
// Beside the products (amx_aside.inl), sums of the unit before are written, and what comes next is fetched.
//
// Ends. Of rows: the last tiles are configured with as many rows as there are, and no other is read. Of the depth: the
// panel holds zeros up to a whole number of 32 steps, and the rest of each row of A is copied, with zeros behind it. Of
// columns: whatever the tiles hold there, it is not stored.
//
// Included by translation units that are compiled for AVX-512 BF16 and entered only where the processor has it.
#pragma once
#include "backends/cpu/amx_unit.inl"
#include "backends/cpu/products/amx_aside.inl"
#include "backends/cpu/products/depth_blocks.hpp"
#include "backends/cpu/products/panel_bf16.inl"
#include "backends/cpu/products/pieces.hpp"

namespace ql::cpu {
namespace {

// So that a depth that is one block of the vdpbf16ps product is one block here: product.cpp counts on it.
static_assert(kMaxTerms * (kTileSteps - 1) <= DepthBlocks<uint16_t>::kCut);

/// A stretch of the depth: a unit's rows of A, and B in the panel.
struct TileStretch {
    int64_t steps;          // of kTileSteps, whole
    const uint16_t * a;     // from the unit's first row
    int64_t a_row;          // elements from a row to the next
    const uint32_t * b;     // tiles of the first sixteen columns
    int64_t b_sixteen;      // pairs from those to the next sixteen's
    const uint16_t * rest;  // one step more: rows of kTileSteps. Null: none
};
struct TileStretches {
    TileStretch stretch[kMaxTerms];
    int n = 0;

    int64_t steps() const {
        int64_t all = 0;
        for (int i = 0; i < n; ++i) all += stretch[i].steps + (stretch[i].rest ? 1 : 0);
        return all;
    }
};

constexpr int64_t kTileB = kTilePairs * kTileColumns;  // pairs of a tile of B

/// One step of the product for tile (r, n) of C and those after it. b: from one sixteen of columns to the next, so many
/// pairs.
template <int R, int N, bool kOnce, int r, int n, typename Unit>
[[gnu::always_inline]] inline void add_panel_step(Unit & unit, const uint16_t * a, int64_t a_row, const uint32_t * b,
                                                  int64_t b_sixteen) {
    using Of = Registers<R, N>;
    const auto * rows = a + r * kTileRows * a_row;
    const int64_t bytes = a_row * int64_t{sizeof(*a)};
    if constexpr (n == 0 && kOnce) unit.template load_once<Of::a(r)>(rows, bytes);
    if constexpr (n == 0 && !kOnce) unit.template load<Of::a(r)>(rows, bytes);
    if constexpr (r == 0) unit.template load<Of::b(n)>(b + n * b_sixteen, kTileColumns * sizeof(*b));
    unit.template multiply<Of::c(r, n), Of::a(r), Of::b(n)>();
    if constexpr (n + 1 < N)
        add_panel_step<R, N, kOnce, r, n + 1>(unit, a, a_row, b, b_sixteen);
    else if constexpr (r + 1 < R)
        add_panel_step<R, N, kOnce, r + 1, 0>(unit, a, a_row, b, b_sixteen);
}

/// R x N tiles of C, from column 16 `sixteen` of the group on.
template <int R, int N, bool kOnce, typename Unit>
[[gnu::noinline]] void multiply_tiles(Unit & unit, const TileStretches & stretches, int64_t sixteen,
                                      const TileTarget & to, Asides & asides) {
    using Of = Registers<R, N>;
    const int64_t steps = stretches.steps();
    TargetFetch fetch(to, steps);
    asides.sums.spread(steps);
    const auto step = [&](const uint16_t * a, int64_t a_row, const uint32_t * b, int64_t b_sixteen) {
        add_panel_step<R, N, kOnce, 0, 0>(unit, a, a_row, b, b_sixteen);
        asides.sums.step();
        fetch.step();
        asides.weights.step();
    };
    for_tiles<R, N>([&]<int r, int n>() { unit.template zero<Of::c(r, n)>(); });
    for (const TileStretch * p = stretches.stretch; p < stretches.stretch + stretches.n; ++p) {
        const uint16_t * a = p->a;
        const uint32_t * b = p->b + sixteen * p->b_sixteen;
        for (int64_t i = 0; i < p->steps; ++i, a += kTileSteps, b += kTileB) step(a, p->a_row, b, p->b_sixteen);
        if (p->rest) step(p->rest, kTileSteps, b, p->b_sixteen);
    }
    constexpr int64_t kColumns = N * kTileColumns;
    asides.sums.flush();
    for_tiles<R, N>([&]<int r, int n>() {
        unit.template store<Of::c(r, n)>(asides.sums.buffer() + r * kTileRows * kColumns + n * kTileColumns,
                                         kColumns * sizeof(float));
    });
    asides.sums.hold(to, kColumns);
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
        const int64_t n = smaller(kGroup, columns_ - first_column()), units = of_.last - of_.first;
        const int64_t steps = steps_of(block);
        if (!of_.packed) pack(block);
        asides_.weights.spread(steps * units * ((n + kPairColumns - 1) / kPairColumns));
        const bool near = steps <= kNearSteps && units > 1;
        const int64_t at_once = near ? kPairColumns : kGroup;
        for (int64_t column = 0; column < n; column += at_once)
            multiply_columns(block, column, smaller(n, column + at_once), near && (of_.again || column > 0));
        asides_.sums.flush();
    }

  private:
    static constexpr int64_t kPairColumns = 2 * kTileColumns;
    static constexpr int64_t kTallRows = 4 * kTileRows;
    static constexpr int64_t kNearSteps = 20;  // of 32 columns of B, 40 KB: they stay in L1

    /// Columns [column, last) of the group, for all rows. once: A is in L2 and need not come nearer.
    void multiply_columns(const DepthBlock & block, int64_t column, int64_t last, bool once) {
        const int64_t end = smaller(of_.last * kUnitRows, g_.rows);
        for (int64_t t = of_.first * kUnitRows, n; t < end; t += n) {
            n = end - t >= kTallRows && is_narrow() ? kTallRows : smaller(end - t, kUnitRows);
            multiply_unit(block, t, n, column, last, once);
        }
    }

    static int64_t steps_of(const DepthBlock & block) {
        int64_t steps = 0;
        for (const Piece & piece : block.list()) steps += padded_pairs(piece) / kTilePairs;
        return steps;
    }

    /// Of the next group, the bytes are fetched while this one is multiplied.
    void pack(const DepthBlock & block) {
        for (const Piece & piece : block.list()) {
            uint32_t * b = panel_ + piece.at / 2 * kPairs;
            const int64_t pairs = (piece.depth + 1) / 2, padded = padded_pairs(piece);
            const TilePanel layout(padded);
            const PackerBf16<TilePanel> packer(g_.terms[static_cast<size_t>(piece.term)], layout);
            packer.pack(of_.group, piece.p0, piece.depth, b);
            for (int64_t i = 0; i < kGroup / kTileColumns; ++i)
                __builtin_memset(b + i * layout.sixteen + pairs * layout.row, 0,
                                 static_cast<size_t>((padded - pairs) * layout.row) * sizeof(*b));
            if (of_.group + 1 < g_.groups()) asides_.weights.add(packer.rows_of(of_.group + 1, piece.p0, piece.depth));
        }
    }

    static int64_t padded_pairs(const Piece & piece) {
        return (piece.depth + kTileSteps - 1) / kTileSteps * kTilePairs;
    }

    int64_t first_column() const { return of_.group * kGroup; }
    bool is_narrow() const { return columns_ - first_column() <= kTileColumns; }

    void configure(int64_t rows) {
        rows = smaller(rows, kUnitRows);
        if (rows != rows_) unit_.configure(TileShapes(rows));
        rows_ = rows;
    }

    /// `rows` rows from row t on by columns [column, last) of the group; kTallRows where the group is narrow, else
    /// kUnitRows at most.
    void multiply_unit(const DepthBlock & block, int64_t t, int64_t rows, int64_t column, int64_t last, bool once) {
        configure(rows);
        const TileStretches stretches = stretches_of(block, t, rows);
        const int64_t step = rows > kUnitRows ? kTileColumns : rows > kTileRows ? kPairColumns : kGroup;
        for (; column < last; column += step) {
            const int64_t left = smaller(step, last - column), tiles = (left + kTileColumns - 1) / kTileColumns;
            const TileTarget to = {target(g_, block, t * g_.ldc + first_column() + column, left), rows};
            const auto multiply = rows > kUnitRows   ? multiply_tiles<4, 1, false, Unit>
                                  : rows > kTileRows ? (once ? kTwoRowsOnce : kTwoRows)[tiles - 1]
                                                     : kOneRow[tiles - 1];
            multiply(unit_, stretches, column / kTileColumns, to, asides_);
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
            const uint32_t * b = panel_ + piece.at / 2 * kPairs;
            stretches.stretch[stretches.n++] = {steps, a, term.a_row, b, TilePanel(padded_pairs(piece)).sixteen, rest};
        }
        return stretches;
    }

    /// The last `left` steps of each row, with zeros behind them.
    const uint16_t * copy_rest(int stretch, const uint16_t * a, int64_t a_row, int64_t rows, int64_t left) {
        for (int64_t r = 0; r < rows; ++r, a += a_row)
            _mm512_store_si512(rest_[stretch][r], _mm512_maskz_loadu_epi16((1u << left) - 1, a));
        return rest_[stretch][0];
    }

    using Multiply = void (*)(Unit &, const TileStretches &, int64_t, const TileTarget &, Asides &);
    static constexpr Multiply kTwoRows[] = {multiply_tiles<2, 1, false, Unit>, multiply_tiles<2, 2, false, Unit>};
    static constexpr Multiply kTwoRowsOnce[] = {multiply_tiles<2, 1, true, Unit>, multiply_tiles<2, 2, true, Unit>};
    static constexpr Multiply kOneRow[] = {multiply_tiles<1, 1, false, Unit>, multiply_tiles<1, 2, false, Unit>,
                                           multiply_tiles<1, 3, false, Unit>, multiply_tiles<1, 4, false, Unit>};

    const GemmBf16 & g_;
    const GroupTiles of_;
    const int64_t columns_;
    uint32_t * const panel_;
    Unit unit_;
    int64_t rows_ = 0;  // that the tiles are configured for
    Asides asides_;
    alignas(64) uint16_t rest_[kMaxTerms][kTallRows][kTileSteps];
};

/// Units whose rows of A, of this block, leave room in L2 for a panel and for rows of C.
inline int64_t near_units(const DepthBlock & block) {
    constexpr int64_t kBytes = 1024 * 1024;
    int64_t depth = 0;
    for (const Piece & piece : block.list()) depth += piece.depth;
    return kBytes / (depth * kUnitRows * static_cast<int64_t>(sizeof(uint16_t)));
}

template <typename Unit>
void gemm_tiles(Pool & pool, const GemmBf16 & g, std::byte * scratch) {
    constexpr int64_t kTilesOfPiece = 8;
    DepthBlocks<uint16_t> blocks(g.terms, panel_depth(g), kTileSteps);
    for (DepthBlock block; blocks.next(block);)
        run_pieces(
            pool, g.groups(), (g.rows + kUnitRows - 1) / kUnitRows, kTilesOfPiece, scratch, panel_bytes(g),
            [&](const GroupTiles & of) { TilePiece<Unit>(g, of).multiply(block); }, near_units(block));
}

}  // namespace
}  // namespace ql::cpu
