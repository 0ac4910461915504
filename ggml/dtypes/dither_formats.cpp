// Which formats have dither: those of four bits whose codes ascend with their values. Steps of finer types (q5_K, q6_K, q8_0)
// are small beside what training changes; the codes of mxfp4 do not ascend, and those of q3_K lie in two planes.
#include <algorithm>
#include <bit>
#include <string>

#include "common/guarded.hpp"
#include "common/structs.hpp"
#include "ggml/dtypes/dither.hpp"
#include "ggml/dtypes/dtype.hpp"
#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/iq4_nl.hpp"
#include "ggml/dtypes/k_scales.hpp"
#include "ggml/dtypes/nf4_dq.hpp"
#include "ggml/dtypes/q4_0.hpp"
#include "ggml/dtypes/q4_1.hpp"
#include "ggml/dtypes/q4_k.hpp"
#include "ql/dither.h"
#include "ql/dtypes.hpp"

namespace ql {
namespace {

constexpr DitherUnits kWholeUnits({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}), kNF4Units(kNF4Codebook),
    kIQ4NLUnits(kIQ4Values);

constexpr int64_t kTogether = 32;  // blocks, whose lines are made before their codes are moved

/// How a format's blocks are lines: `run` bytes of codes each for two of them.
template <class Format>
struct Lines;

template <>
struct Lines<Q4_0> {
    static constexpr int run = 16;
    static constexpr const DitherUnits & units = kWholeUnits;
    static void of(const Q4_0::Block & block, DitherLine * lines) {
        const float d = f16_to_f32(block.d);
        lines[0] = lines[1] = {d, -8 * d};
    }
};

template <>
struct Lines<Q4_1> {
    static constexpr int run = 16;
    static constexpr const DitherUnits & units = kWholeUnits;
    static void of(const Q4_1::Block & block, DitherLine * lines) {
        lines[0] = lines[1] = {f16_to_f32(block.d), f16_to_f32(block.m)};
    }
};

template <>
struct Lines<IQ4_NL> {
    static constexpr int run = 16;
    static constexpr const DitherUnits & units = kIQ4NLUnits;
    static void of(const IQ4_NL::Block & block, DitherLine * lines) { lines[0] = lines[1] = {f16_to_f32(block.d), 0}; }
};

template <>
struct Lines<Q4_K> {
    static constexpr int run = 32;
    static constexpr const DitherUnits & units = kWholeUnits;
    static void of(const Q4_K::Block & block, DitherLine * lines) {
        const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
        for (int g = 0; g < 8; ++g) {
            const KScale k = k_scale(block.scales, g);
            lines[g] = {d * static_cast<float>(k.scale), -(dmin * static_cast<float>(k.min))};
        }
    }
};

template <class Format>
void dither_blocks(const float * src, int64_t n, const Dither & dither, void * encoded) {
    using L = Lines<Format>;
    using Block = typename Format::Block;
    constexpr int64_t kRuns = Format::block_length / (2 * L::run);
    // Runs are as far apart as blocks where each block is one; those of several runs go one by one.
    constexpr int64_t kBlocks = kRuns == 1 ? kTogether : 1;
    constexpr int64_t kStride = kRuns == 1 ? sizeof(Block) : L::run;
    auto * const blocks = static_cast<Block *>(encoded);
    DitherLine lines[2 * kRuns * kBlocks];
    for (int64_t b = 0; b < n / Format::block_length; b += kBlocks) {
        const int64_t count = std::min(kBlocks, n / Format::block_length - b), first = b * Format::block_length;
        for (int64_t i = 0; i < count; ++i) L::of(blocks[b + i], lines + 2 * kRuns * i);
        dither_nibbles(src + first, L::run, {kRuns * count, kStride, lines}, L::units, dither.from(first), blocks[b].q);
    }
}

void dither_whole_nf4(const float * src, int64_t n, const Dither & dither, void * encoded) {
    auto * base = static_cast<uint8_t *>(encoded);
    dither_nf4(src, n, dither, reinterpret_cast<const float *>(base + NF4Offsets(n).absmax), base);
}

/// By the largest magnitudes themselves, as encoding chooses the codes.
void dither_nf4_dq(const float * src, int64_t n, const Dither & dither, void * encoded) {
    auto * codes = static_cast<uint8_t *>(encoded);
    for (int64_t first = 0; first < n; first += NF4::block_length) {
        const float absmax = std::bit_cast<float>(max_magnitude_bits<NF4::block_length>(src + first));
        dither_nf4(src + first, NF4::block_length, dither.from(first), &absmax, codes + first / 2);
    }
}

struct DitherRow {
    ql_dtype dtype;
    DitherCodes codes;
};

constexpr DitherRow kDithers[] = {{QL_Q4_0, dither_blocks<Q4_0>}, {QL_Q4_1, dither_blocks<Q4_1>},
                                  {QL_Q4_K, dither_blocks<Q4_K>}, {QL_IQ4_NL, dither_blocks<IQ4_NL>},
                                  {QL_NF4, dither_whole_nf4},     {QL_NF4_DQ, dither_nf4_dq}};

Status encode_dithered(ql_dtype dtype, const float * src, int64_t n, const Dither & dither, void * dst) {
    const DitherCodes codes = find_dither(dtype);
    if (!codes) {
        const char * name = ql_dtype_name(dtype);
        if (!name) return error(QL_BAD_DTYPE, "element type %u is not known", static_cast<unsigned>(dtype));
        return error(QL_UNSUPPORTED, "%s is not encoded with dither; %s are", name,
                     dtype_names(ql_dtype_can_dither).c_str());
    }
    if (dither.first < 0)
        return error(QL_INVALID_ARGUMENT, "first is %lld: a tensor begins with element 0",
                     static_cast<long long>(dither.first));
    QL_TRY(ql_encode(dtype, src, n, dst));
    if (n > 0) codes(src, n, dither, dst);
    return {};
}

}  // namespace

DitherCodes find_dither(ql_dtype dtype) {
    for (const DitherRow & row : kDithers)
        if (row.dtype == dtype) return row.codes;
    return nullptr;
}

void dither_nf4(const float * src, int64_t n, const Dither & dither, const float * absmax, uint8_t * codes) {
    DitherLine lines[2 * kTogether];
    for (int64_t b = 0; b < n / NF4::block_length; b += kTogether) {
        const int64_t count = std::min(kTogether, n / NF4::block_length - b), first = b * NF4::block_length;
        for (int64_t i = 0; i < count; ++i) lines[2 * i] = lines[2 * i + 1] = {absmax[b + i], 0};
        dither_nibbles(src + first, NF4::block_code_bytes, {count, NF4::block_code_bytes, lines}, kNF4Units,
                       dither.from(first), codes + b * NF4::block_code_bytes);
    }
}

}  // namespace ql

int ql_dtype_can_dither(ql_dtype dtype) {
    return ql::find_dither(dtype) != nullptr;
}

ql_status ql_encode_dithered(ql_dtype dtype, const float * src, int64_t n, uint32_t key, int64_t first, void * dst) {
    return ql::guarded([&] { return ql::encode_dithered(ql::dtype_of_caller(dtype), src, n, {key, first}, dst); });
}
