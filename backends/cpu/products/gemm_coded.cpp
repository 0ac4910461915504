// The product of integers, one source for every instruction set; coded.hpp says what it computes.
//
// Split of work: gemm.hpp. With VNNI the micro-kernels are those of coded_vnni.inl. Here codes are held in 16 bits and
// multiplied in pairs of steps, as vpmaddwd does: exact whatever the codes are, which vpmaddubsw, the product of bytes
// before VNNI, is not. The micro-kernel holds 6 rows by 2 vectors of sums (4 where there are 32 registers): a pair of
// steps loads those vectors of B, broadcasts 6 pairs of A and makes 12 (24) products and additions. Sums in f32 lie in
// L1, and take up the int32 sums at the end of a block.
// Memory traffic a pair of steps and thread: B 256 bytes from L2, A 24 bytes, for 768 multiply-adds.
// Decoding costs a pass over the panel in L1, rounding two; forward panels are also transposed between them.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/products/gemm_coded.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "backends/cpu/products/depth_blocks.hpp"
#include "backends/cpu/products/coded.hpp"
#include "backends/cpu/products/panel_coded.inl"
#include "backends/cpu/products/pieces.hpp"
#include "backends/cpu/split.hpp"

HWY_BEFORE_NAMESPACE();
namespace ql::cpu {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
constexpr int kCodedVectors = 4;  // 24 sums in 32 registers
#elif HWY_TARGET == HWY_NEON
constexpr int kCodedVectors = 2;  // of two sums each
#else
constexpr int kCodedVectors = 2;  // 12 sums in 16 registers
#endif
constexpr int64_t kFloatBytes = sizeof(float);
constexpr int64_t kCodedWidth = kLanes * kCodedVectors;  // columns of a micro-kernel; groups are a multiple of it

// A vector of pairs: of 16-bit codes of two neighbouring steps, the even one in the lower half.

/// Adds products of pairs to their sums. NEON adds up what the lower and the upper pairs give apart.
HWY_INLINE void add_pairs(VecI32 a, VecI32 b, VecI32 & even, [[maybe_unused]] VecI32 & odd) {
#if HWY_TARGET == HWY_SCALAR
    const int32_t x = hn::GetLane(a), y = hn::GetLane(b);
    even = hn::Add(even, hn::Set(kI32, static_cast<int16_t>(x) * static_cast<int16_t>(y) + (x >> 16) * (y >> 16)));
#else
    const hn::Repartition<int16_t, TagI32> halves;
    const auto x = hn::BitCast(halves, a), y = hn::BitCast(halves, b);
#if HWY_TARGET == HWY_AVX2
    // The addition is out of the compiler's hands: GCC 12 collects the products before it adds them up, which takes more
    // registers than there are, or puts a move beside every addition. 512 x 2048 x 64, Zen 3, one thread, GOP/s: 60 by
    // what it makes of intrinsics, 110 where it may not collect, 147 so.
    VecI32 sum = even, none;
    const VecI32 product = hn::ReorderWidenMulAccumulate(kI32, x, y, hn::Zero(kI32), none);
    __asm__("vpaddd %1, %0, %0" : "+x"(sum.raw) : "x"(product.raw));
    even = sum;
#else
    even = hn::ReorderWidenMulAccumulate(kI32, x, y, even, odd);
#endif
#endif
}

/// Two codes of a row, in all lanes.
HWY_INLINE VecI32 broadcast_pair(const std::byte * a) {
    int32_t pair;
    hwy::CopyBytes<sizeof(pair)>(a, &pair);
    return hn::Set(kI32, pair);
}

template <int R, int NV>
HWY_INLINE void store_coded(const float * sums, const TargetF32 & to) {
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) {
            const int64_t at = r * to.ldc + v * kLanes, n = to.columns - v * kLanes;
            if (n <= 0) break;  // a whole vector behind the last column
            Vec y = hn::Load(kF32, sums + (r * NV + v) * kLanes);
            if (to.add) y = hn::Add(load_part(to.add + at, n), y);
            store_part(y, to.c + at, n);
        }
}

/// Rows [t, t + R) by NV vectors of columns from column j of the stretches' B.
template <int R, int NV>
HWY_NOINLINE void micro_kernel_coded(const StretchesCoded & stretches, int64_t t, int64_t j, const TargetF32 & to) {
    HWY_ALIGN float sums[R * NV * kLanes] = {};
    for (int r = 0; r < R; ++r)
        for (int v = 0; v < NV; ++v) __builtin_prefetch(to.c + r * to.ldc + v * kLanes, 1);
    for (const StretchCoded * stretch = stretches.stretch; stretch < stretches.stretch + stretches.n; ++stretch) {
        const int64_t a_row = stretch->a_row;
        const std::byte * a = stretch->a + t * a_row;
        const float * a_scales = stretch->a_scales + t * a_row / kFloatBytes;
        const int32_t * b = stretch->b + j;
        const float * b_scales = stretch->b_scales + j;
        for (int64_t left = stretch->steps; left > 0; left -= stretches.block) {
            VecI32 even[R][NV], odd[R][NV];
            HWY_UNROLL(6)
            for (int r = 0; r < R; ++r) {
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) even[r][v] = odd[r][v] = hn::Zero(kI32);
            }
            const int32_t * end = b + std::min(left, stretches.block) / 2 * kGroup;
            for (; b < end; a += sizeof(int32_t), b += kGroup) {
                VecI32 x[NV];
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) x[v] = hn::LoadU(kI32, b + v * kLanes);
                HWY_UNROLL(6)
                for (int r = 0; r < R; ++r) {
                    const VecI32 y = broadcast_pair(a + r * a_row);
                    HWY_UNROLL(4)
                    for (int v = 0; v < NV; ++v) add_pairs(y, x[v], even[r][v], odd[r][v]);
                }
            }
            HWY_UNROLL(6)
            for (int r = 0; r < R; ++r) {
                const Vec row_scale = hn::Set(kF32, a_scales[r * a_row / kFloatBytes]);
                HWY_UNROLL(4)
                for (int v = 0; v < NV; ++v) {
                    float * at = sums + (r * NV + v) * kLanes;
                    const Vec y = hn::Mul(hn::ConvertTo(kF32, hn::RearrangeToOddPlusEven(even[r][v], odd[r][v])),
                                          hn::LoadU(kF32, b_scales + v * kLanes));
                    hn::Store(hn::Add(hn::Load(kF32, at), hn::Mul(y, row_scale)), kF32, at);
                }
            }
            ++a_scales, b_scales += kGroup;
        }
    }
    store_coded<R, NV>(sums, to);
}

constexpr CodedKernels kHighwayPairs = {
    kCodedWidth,
    {micro_kernel_coded<1, kCodedVectors>, micro_kernel_coded<2, kCodedVectors>, micro_kernel_coded<3, kCodedVectors>,
     micro_kernel_coded<4, kCodedVectors>, micro_kernel_coded<5, kCodedVectors>, micro_kernel_coded<6, kCodedVectors>},
    {}};

StretchesCoded coded_stretches(const CodedPath & path, const GemmCoded & g, const CodedRoom & room,
                               const DepthBlock & block, const GroupTiles & tiles) {
    const Coding & of = *path.coding;
    const bool bytes = in_bytes(path);
    StretchesCoded stretches;
    stretches.block = of.block;
    PanelCoded to = {nullptr, reinterpret_cast<float *>(tiles.panel + room.units),
                     reinterpret_cast<int32_t *>(tiles.panel + room.units + room.scales)};
    for (const Piece & piece : block.list()) {
        const Term<std::byte> & t = g.terms[static_cast<size_t>(piece.term)];
        to.units = reinterpret_cast<int32_t *>(tiles.panel) + piece.at / (bytes ? 4 : 2) * kGroup;
        if (!tiles.packed && bytes) PackerCoded<int8_t>(of, t).pack(tiles.group, piece.p0, piece.depth, to);
        if (!tiles.packed && !bytes) PackerCoded<int16_t>(of, t).pack(tiles.group, piece.p0, piece.depth, to);
        const auto * scales = reinterpret_cast<const float *>(t.a + code_bytes(path, t.depth()));
        stretches.stretch[stretches.n++] = {coded_steps(piece.depth),
                                            t.a + piece.p0 * (bytes ? 1 : 2),
                                            scales + piece.p0 / of.block,
                                            t.a_row,
                                            to.units,
                                            to.scales,
                                            to.starts};
        to.scales += coded_blocks(of, piece.depth) * kGroup;
        to.starts += coded_blocks(of, piece.depth) * kGroup;
    }
    return stretches;
}

/// Rows of a tile: from memory to sums that lie together, and back.
HWY_INLINE void take_tile(const float * from, int64_t stride, int64_t rows, int64_t columns, float * sums) {
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < columns; j += kLanes)
            hn::Store(load_part(from + r * stride + j, columns - j), kF32, sums + r * kGroup + j);
}
template <typename T>
HWY_INLINE void store_tile(const float * sums, int64_t rows, int64_t columns, T * to, int64_t stride) {
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < columns; j += kLanes)
            store_part(hn::Load(kF32, sums + r * kGroup + j), to + r * stride + j, columns - j);
}
void store_tile_as(const GemmCoded & g, const float * sums, int64_t rows, int64_t columns, int64_t at) {
    if (!g.c_half) return store_tile(sums, rows, columns, g.c + at, g.ldc);
    if (g.half == Half::bf16) return store_tile(sums, rows, columns, g.c_half + at, g.ldc);
    store_tile(sums, rows, columns, reinterpret_cast<hwy::float16_t *>(g.c_half + at), g.ldc);
}

/// Rows from t on times the columns of a group.
HWY_INLINE void multiply_columns_coded(const CodedPath & path, const StretchesCoded & stretches, int64_t t,
                                       int64_t rows, const TargetF32 & to) {
    const CodedKernels & kernels = path.vnni ? *path.vnni : kHighwayPairs;
    const MicroKernelCoded * by_rows = in_bytes(path) ? kernels.quads : kernels.pairs;
    for (int64_t j = 0; j < to.columns; j += kernels.width)
        by_rows[rows - 1](stretches, t, j, {to.c + j, to.add ? to.add + j : nullptr, to.ldc, to.columns - j});
}

/// Sums lie together until they have all that is to be added to them.
void multiply_piece_apart(const CodedPath & path, const GemmCoded & g, const CodedRoom & room, const float * add,
                          const StretchesCoded & stretches, const Beside & beside, const GroupTiles & of) {
    auto * panel = of.panel + room.units + room.scales + room.starts;
    auto * const all = reinterpret_cast<float *>(panel + room.beside);
    const int64_t first = of.group * kGroup, columns = std::min(kGroup, g.columns() - first);
    const auto each_tile = [&](auto f) HWY_ATTR {
        for (int64_t tile = of.first; tile < of.last; ++tile)
            f(tile * kTile, std::min(kTile, g.rows - tile * kTile), all + (tile - of.first) * kTile * kGroup);
    };
    if (add)
        each_tile([&](int64_t t, int64_t rows, float * sums)
                      HWY_ATTR { take_tile(add + t * g.ldc + first, g.ldc, rows, columns, sums); });
    if (beside.tiles) beside.tiles(beside.product, {of.group, of.first, of.last, panel, of.packed, of.again}, all, add);
    const bool added = add || beside.tiles;
    each_tile([&](int64_t t, int64_t rows, float * sums) HWY_ATTR {
        const int64_t at = t * g.ldc + first;
        for (int64_t r = 0; r < rows; ++r)
            for (int64_t j = 0; j < kGroup; j += g.c_half ? 32 : 16)
                g.c_half ? __builtin_prefetch(g.c_half + at + r * g.ldc + j, 1)
                         : __builtin_prefetch(g.c + at + r * g.ldc + j, 1);
        multiply_columns_coded(path, stretches, t, rows, {sums, added ? sums : nullptr, kGroup, columns});
        store_tile_as(g, sums, rows, columns, at);
    });
}

void multiply_tiles_coded(const CodedPath & path, const GemmCoded & g, const CodedRoom & room, const DepthBlock & block,
                          const GroupTiles & of) {
    const StretchesCoded stretches = coded_stretches(path, g, room, block, of);
    const float * add = block.first ? g.add : g.c;
    const Beside beside = block.first ? g.beside : Beside{};
    if (beside.tiles || g.c_half) return multiply_piece_apart(path, g, room, add, stretches, beside, of);
    const int64_t first = of.group * kGroup;
    for (int64_t tile = of.first; tile < of.last; ++tile) {
        const int64_t t = tile * kTile, at = t * g.ldc + first;
        multiply_columns_coded(path, stretches, t, std::min(kTile, g.rows - t),
                               {g.c + at, add ? add + at : nullptr, g.ldc, std::min(kGroup, g.columns() - first)});
    }
}

/// n numbers where they are, if they fill whole steps, or a copy with zeros behind them.
template <class T>
HWY_INLINE const T * whole_steps(const T * x, int64_t n, T * copy) {
    if (n % kCodedSteps == 0) return x;
    std::fill(std::copy(x, x + n, copy), copy + coded_steps(n), T{});
    return copy;
}

constexpr int64_t kRowSpan = kInt16.block;  // whole blocks of every coding

/// At most kRowSpan numbers to codes, and to a scale a block.
template <class Code, class T>
HWY_INLINE void code_span(const Coding & of, const T * x, int64_t n, Code * codes, float * scales) {
    HWY_ALIGN T copy[kRowSpan];
    const T * from = whole_steps(x, n, copy);
    const int64_t steps = coded_steps(n);
    for (int64_t i = 0; i < steps; i += of.block)
        *scales++ = code_block(of, from + i, std::min(of.block, steps - i), codes + i);
}

template <class Code, class T>
void code_row_as(const Coding & of, const T * x, int64_t n, std::byte * dst) {
    auto * scales = reinterpret_cast<float *>(dst + coded_steps(n) * static_cast<int64_t>(sizeof(Code)));
    for (int64_t i = 0; i < n; i += kRowSpan)
        code_span(of, x + i, std::min(kRowSpan, n - i), reinterpret_cast<Code *>(dst) + i, scales + i / of.block);
}

template <class T>
void code_row(const CodedPath & path, const T * x, int64_t n, std::byte * dst) {
    in_bytes(path) ? code_row_as<uint8_t>(*path.coding, x, n, dst) : code_row_as<int16_t>(*path.coding, x, n, dst);
}
void code_row_f32(const CodedPath & path, const void * x, int64_t n, std::byte * dst) {
    code_row(path, static_cast<const float *>(x), n, dst);
}
void code_row_bf16(const CodedPath & path, const void * x, int64_t n, std::byte * dst) {
    code_row(path, static_cast<const uint16_t *>(x), n, dst);
}

/// Codes take no more room than what they are made of, so they do not overtake it. Scales would.
template <class Code, class T>
void code_row_in_place_as(const Coding & of, T * x, int64_t n, float * scales) {
    auto * row = reinterpret_cast<std::byte *>(x);
    constexpr auto bytes = static_cast<int64_t>(sizeof(Code));
    HWY_ALIGN Code codes[kRowSpan];
    for (int64_t i = 0; i < n; i += kRowSpan) {
        const int64_t count = std::min(kRowSpan, n - i);
        code_span(of, x + i, count, codes, scales + i / of.block);
        std::memcpy(row + bytes * i, codes, static_cast<size_t>(coded_steps(count) * bytes));
    }
    std::memcpy(row + bytes * coded_steps(n), scales, static_cast<size_t>(coded_blocks(of, n)) * sizeof(float));
}

template <class T>
void code_row_in_place(const CodedPath & path, T * x, int64_t n, float * scales) {
    in_bytes(path) ? code_row_in_place_as<uint8_t>(*path.coding, x, n, scales)
                   : code_row_in_place_as<int16_t>(*path.coding, x, n, scales);
}
void code_in_place_of(const CodedPath & path, void * x, bool bf16, int64_t n, float * scales) {
    bf16 ? code_row_in_place(path, static_cast<uint16_t *>(x), n, scales)
         : code_row_in_place(path, static_cast<float *>(x), n, scales);
}

}  // namespace HWY_NAMESPACE
}  // namespace ql::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ql::cpu {
HWY_EXPORT(multiply_tiles_coded);
HWY_EXPORT(code_row_f32);
HWY_EXPORT(code_row_bf16);
HWY_EXPORT(code_in_place_of);

void gemm_coded(Pool & pool, const CodedPath & path, const GemmCoded & g, std::byte * scratch) {
    const auto multiply = HWY_DYNAMIC_DISPATCH(multiply_tiles_coded);
    const CodedRoom room = coded_room(path, g.terms, g.beside.depth, g.c_half);
    DepthBlocks<std::byte> blocks(g.terms, room.depth, kCodedSteps);
    for (DepthBlock block; blocks.next(block);)
        run_pieces(pool, g.groups(), (g.rows + kTile - 1) / kTile, kTilesOfCodedPiece, scratch,
                   static_cast<size_t>(room.bytes()),
                   [&](const GroupTiles & tiles) { multiply(path, g, room, block, tiles); });
}

void code_in_place(const CodedPath & path, void * x, bool bf16, int64_t n, float * scales) {
    HWY_DYNAMIC_DISPATCH(code_in_place_of)(path, x, bf16, n, scales);
}

void code_rows(Pool & pool, const CodedPath & path, const void * x, bool bf16, int64_t n, int64_t rows,
               std::byte * dst) {
    const auto code = bf16 ? HWY_DYNAMIC_DISPATCH(code_row_bf16) : HWY_DYNAMIC_DISPATCH(code_row_f32);
    const int64_t stride = coded_stride(path, n), bytes = n * (bf16 ? 2 : 4);
    const auto * first = static_cast<const std::byte *>(x);
    split_rows(pool, rows, n, [=, &path](int64_t t, int64_t last) {
        for (; t < last; ++t) code(path, first + t * bytes, n, dst + t * stride);
    });
}

}  // namespace ql::cpu
#endif
