// Tile registers of 16 rows by 64 bytes: their shapes, the processor's own (AMX), and the steps of a product on them.
// The bf16 product (products/amx_tiles.inl) and attention (attention/tiles_amx.inl) are written for any unit that has
// eight such registers and AMX's instructions: this file's AmxTiles, or one in plain C++ by which tests run them where
// there is no AMX.
//
// A tile of A is 16 rows by 32 steps of p as they lie in memory, one of B is 16 pairs of steps by 16 columns, one of C
// 16 by 16 sums in f32.
//
// Included by translation units that are compiled for AVX-512 BF16; AmxTiles is entered only where there is AMX.
#pragma once
#include <cstdint>
#include <utility>

namespace ql::cpu {
namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileColumns = 16;          // of sums, or of pairs
constexpr int64_t kTileBytes = 64;            // of a row
constexpr int64_t kTileSteps = 32;            // of p
constexpr int64_t kUnitRows = 2 * kTileRows;  // that are usually multiplied at a time
constexpr int64_t kTilePairs = kTileSteps / 2;

/// Which registers hold R x N tiles of C and their operands: C in 0 to 3, A from 4 on, B after A. Where A or B
/// has more tiles than registers are left, two of them share one.
template <int R, int N>
struct Registers {
    static_assert(R * N <= 4 && (R != 2 || N <= 2));
    static constexpr int c(int r, int n) { return R == 2 ? 2 * r + n : r + n; }
    static constexpr int a(int r) { return 4 + r % 3; }
    static constexpr int b(int n) { return R == 1 ? 5 + n % 3 : R == 2 ? 6 + n : 7; }
};

/// What ldtilecfg reads, in its layout.
struct alignas(64) TileShapes {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};

    /// For 1 to 16 rows of A and C with R = 1, 17 to 32 with R = 2; 32 with R = 4, too.
    explicit TileShapes(int64_t n_rows) {
        const bool one = n_rows <= kTileRows;
        const auto upper = static_cast<uint8_t>(one ? n_rows : kTileRows),
                   lower = static_cast<uint8_t>(one ? n_rows : n_rows - kTileRows),
                   second = one ? uint8_t{kTileRows} : lower;  // B for R = 1
        const uint8_t of_register[] = {upper, upper, lower, lower, upper, second, kTileRows, kTileRows};
        for (int i = 0; i < 8; ++i) rows[i] = of_register[i], row_bytes[i] = kTileBytes;
    }
};
static_assert(sizeof(TileShapes) == 64);

/// Instructions in place of GCC's intrinsics, whose registers must be literals, and whose _tile_loadconfig names 8 of
/// the 64 bytes that it reads. All are volatile: they keep their order.
struct AmxTiles {
    static void configure(const TileShapes & shapes) { __asm__ volatile("ldtilecfg %0" : : "m"(shapes)); }
    static void release() { __asm__ volatile("tilerelease"); }

    template <int T>
    [[gnu::always_inline]] static void zero() {
        __asm__ volatile("tilezero %%tmm%c0" : : "i"(T));
    }
    template <int T>
    [[gnu::always_inline]] static void load(const void * rows, int64_t bytes_a_row) {
        __asm__ volatile("tileloadd (%1,%2,1), %%tmm%c0" : : "i"(T), "r"(rows), "r"(bytes_a_row) : "memory");
    }
    /// The same; the lines are not to push others out of L1.
    template <int T>
    [[gnu::always_inline]] static void load_once(const void * rows, int64_t bytes_a_row) {
        __asm__ volatile("tileloaddt1 (%1,%2,1), %%tmm%c0" : : "i"(T), "r"(rows), "r"(bytes_a_row) : "memory");
    }
    template <int T>
    [[gnu::always_inline]] static void store(void * rows, int64_t bytes_a_row) {
        __asm__ volatile("tilestored %%tmm%c0, (%1,%2,1)" : : "i"(T), "r"(rows), "r"(bytes_a_row) : "memory");
    }
    /// C += A B.
    template <int C, int A, int B>
    [[gnu::always_inline]] static void multiply() {
        __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
    }
};

/// Calls f.operator()<0>() to f.operator()<n - 1>().
template <int n, typename F>
[[gnu::always_inline]] inline void for_each(const F & f) {
    [&]<int... i>(std::integer_sequence<int, i...>) {
        (f.template operator()<i>(), ...);
    }
    (std::make_integer_sequence<int, n>());
}
/// Calls f.operator()<r, n>() for each tile of C.
template <int R, int N, typename F>
[[gnu::always_inline]] inline void for_tiles(const F & f) {
    for_each<R * N>([&]<int i>() { f.template operator()<i / N, i % N>(); });
}

/// One step of the product for tile (r, n) of C and those after it.
template <int R, int N, int r, int n, typename Unit>
[[gnu::always_inline]] inline void add_step(Unit & unit, const uint16_t * a, int64_t a_row, const uint32_t * b,
                                            int64_t b_row) {
    using Of = Registers<R, N>;
    if constexpr (n == 0) unit.template load<Of::a(r)>(a + r * kTileRows * a_row, a_row * int64_t{sizeof(*a)});
    if constexpr (r == 0) unit.template load<Of::b(n)>(b + n * kTileColumns, b_row * int64_t{sizeof(*b)});
    unit.template multiply<Of::c(r, n), Of::a(r), Of::b(n)>();
    if constexpr (n + 1 < N)
        add_step<R, N, r, n + 1>(unit, a, a_row, b, b_row);
    else if constexpr (r + 1 < R)
        add_step<R, N, r + 1, 0>(unit, a, a_row, b, b_row);
}

/// Adds `steps` steps to the R x N tiles of C. a: rows, a_row elements apart; b: rows of pairs, b_row apart. The loop
/// holds tile loads and products alone.
template <int R, int N, typename Unit>
[[gnu::always_inline]] inline void add_steps(Unit & unit, int64_t steps, const uint16_t * a, int64_t a_row,
                                             const uint32_t * b, int64_t b_row) {
    for (; steps > 0; --steps, a += kTileSteps, b += kTilePairs * b_row) add_step<R, N, 0, 0>(unit, a, a_row, b, b_row);
}

}  // namespace
}  // namespace ql::cpu
