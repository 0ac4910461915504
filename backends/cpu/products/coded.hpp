// Products of integers: what is multiplied, and how it is rounded. All instruction sets give the same bits.
//
// Along the sum, both operands are cut into blocks. A block of a token, or of a column of B, has a scale, its largest
// magnitude / L, and codes, round(x * (L / largest magnitude)): whole numbers in [-L, L], rounded to nearest, ties to
// even. A weight of any format is decoded to f32 first, so that both directions of a product, and all formats, are one
// arithmetic; a block of nf4 that has a code of its largest magnitude gets round(L codebook).
//
// Codes of a byte are too coarse for a block whose largest number is far beyond the others. So such a coding first takes
// the sums and differences of a block's 64 numbers at distances 32, 16, 8, 4, 2, 1, each rounded: a multiplication by a
// Hadamard matrix H, which spreads the one over all. H H = 64, so the sum of products is 64 times what it was, and
// scale_j is 1/64 of the scale. What overflows there is not finite.
//
//     C[t, j] = sum over blocks, in order, of  (sum of codes_t codes_j) * scale_j * scale_t
//
// The inner sum is in int32 and exact. What follows is rounded step by step, without fused multiply-add, from left to
// right; gemm.hpp says in which order the sums of blocks are added.
//
// A block with a NaN or an infinity has the scale NaN, and so has all of its token or its column. A block whose largest
// magnitude is below 2^-100 is zero.
#pragma once
#include <algorithm>

#include "backends/cpu/products/beside.hpp"
#include "backends/cpu/products/coded_panel.hpp"
#include "backends/cpu/products/coded_path.hpp"
#include "backends/cpu/products/gemm.hpp"

namespace ql::cpu {

/// How operands are rounded.
struct Coding {
    const char * name;
    int64_t block;    // steps of the sum with a scale in common: 32, 64, 128 or 256
    int32_t largest;  // code; block * largest^2 < 2^31
    bool rotates;     // blocks, which then have kCodedSteps
};
/// Codes of a byte, for instructions that multiply bytes; a sum of products is less than 2^24, of bytes with A's bias, too.
inline constexpr Coding kInt8 = {"int8", 64, 127, true};
/// The most that 16-bit operands and 32-bit sums can hold: 12 bits and a sign.
inline constexpr Coding kInt16 = {"int16", 256, 2896, false};

inline constexpr int64_t kCodedSteps = 64;  // that a sum is filled up to with codes of zero
inline constexpr float kCodedSmallest = 0x1p-100f;

/// Steps that a sum of n takes.
constexpr int64_t coded_steps(int64_t n) {
    return (n + kCodedSteps - 1) / kCodedSteps * kCodedSteps;
}
constexpr int64_t coded_blocks(const Coding & of, int64_t n) {
    return (coded_steps(n) + of.block - 1) / of.block;
}
/// Whether codes are held in bytes, rather than in 16 bits.
constexpr bool in_bytes(const CodedPath & path) {
    return path.vnni && path.coding->largest < kByteBias;
}
/// Kernels of bytes alone serve int8 alone.
inline CodedPath coded_path(const CpuDevice & cpu) {
    const CodedKernels * kernels = vnni_kernels(cpu.isa);
    const CodedPath path = {cpu.coding, kernels};
    return kernels && !kernels->pairs[0] && !in_bytes(path) ? CodedPath{cpu.coding} : path;
}

/// Bytes of a row's codes.
constexpr int64_t code_bytes(const CodedPath & path, int64_t n) {
    return coded_steps(n) * (in_bytes(path) ? 1 : 2);
}
/// Bytes from a row of codes to the next: the codes, then the scales in f32. Whole cache lines, and not a multiple of a
/// page, so that rows do not share cache sets.
constexpr int64_t coded_stride(const CodedPath & path, int64_t n) {
    const int64_t row = code_bytes(path, n) + coded_blocks(*path.coding, n) * static_cast<int64_t>(sizeof(float));
    const int64_t lines = (row + 63) / 64 * 64;
    return lines % 4096 == 0 ? lines + 64 : lines;
}

/// Terms' a: rows of codes, at least coded_stride(depth) apart; numbers of rows are in bytes. What is beside them is
/// added to `add` first.
struct GemmCoded : Gemm<std::byte> {
    Beside beside;
};
inline constexpr int64_t kPanelDepthCoded = kPanelBytes / (kGroup * sizeof(int16_t));

/// What a thread has in scratch, one behind the other, in bytes.
struct CodedRoom {
    int64_t depth;           // steps of a panel: of a result in 16 bits all, so that sums are rounded once
    int64_t units;           // of codes
    int64_t scales, starts;  // of each block and column: the scale, and what a sum of bytes starts from
    int64_t beside;          // the panel of the terms beside
    int64_t sums;            // of a piece, where they are not formed in C

    int64_t bytes() const { return units + scales + starts + beside + sums; }
};
inline constexpr int64_t kTilesOfCodedPiece = 8;
/// terms: of anything that has a depth(); beside: the depth of what is beside them, half: whether C is in 16 bits.
template <typename Terms>
CodedRoom coded_room(const CodedPath & path, const Terms & terms, int64_t beside, bool half) {
    CodedRoom room = {kPanelDepthCoded, 0, 0, 0, 0, 0};
    int64_t all = 0;
    for (const auto & t : terms) all += coded_steps(t.depth());
    if (half) room.depth = std::max(room.depth, all);
    const int64_t blocks = room.depth / kCodedSteps, word = sizeof(float);  // the last of each term may be so short
    room.units = room.depth * kGroup * (in_bytes(path) ? 1 : 2);
    room.scales = room.starts = blocks * kGroup * word;
    room.beside = beside * kGroup * word;
    room.sums = 2 * kTilesOfCodedPiece * kTile * kGroup * word;  // a piece has fewer than twice as many tiles
    return room;
}
inline size_t gemm_coded_scratch(const Pool & pool, const CodedRoom & room) {
    return static_cast<size_t>(pool.threads()) * (sizeof(PanelHead) + static_cast<size_t>(room.bytes()));
}

/// Whether a weight's products may be of integers: f32 weights, such as LoRA's matrices, stay what they are.
constexpr bool has_coded_product(ql_dtype dtype) {
    return dtype != QL_F32;
}

/// Rows of f32 or bf16 [n, rows] to rows of codes and scales.
void code_rows(Pool & pool, const CodedPath & path, const void * x, bool bf16, int64_t n, int64_t rows,
               std::byte * dst);
/// A row of n numbers, in f32 or bf16, to its codes and scales, which take its place; scales: room for them on the way.
/// The row has room for coded_stride. Of bf16, codes are to be in bytes.
void code_in_place(const CodedPath & path, void * x, bool bf16, int64_t n, float * scales);
void gemm_coded(Pool & pool, const CodedPath & path, const GemmCoded & g, std::byte * scratch);

}  // namespace ql::cpu
