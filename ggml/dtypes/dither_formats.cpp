// Which formats have dither: those of four bits whose codes ascend with their values. Steps of finer types (q5_K, q6_K, q8_0)
// are small beside what training changes; the codes of mxfp4 do not ascend, and those of q3_K lie in two planes.
#include <bit>
#include <string>

#include "common/guarded.hpp"
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

void dither_block(const float * x, const Dither & dither, Q4_0::Block & block) {
    const float d = f16_to_f32(block.d);
    const DitherLine line{d, -8 * d};
    dither_nibbles(x, 16, kWholeUnits, line, line, dither, block.q);
}

void dither_block(const float * x, const Dither & dither, Q4_1::Block & block) {
    const DitherLine line{f16_to_f32(block.d), f16_to_f32(block.m)};
    dither_nibbles(x, 16, kWholeUnits, line, line, dither, block.q);
}

void dither_block(const float * x, const Dither & dither, IQ4_NL::Block & block) {
    const DitherLine line{f16_to_f32(block.d), 0};
    dither_nibbles(x, 16, kIQ4NLUnits, line, line, dither, block.q);
}

void dither_block(const float * x, const Dither & dither, Q4_K::Block & block) {
    const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
    const auto line = [&](int g) {
        const KScale k = k_scale(block.scales, g);
        return DitherLine{d * static_cast<float>(k.scale), -(dmin * static_cast<float>(k.min))};
    };
    for (int g = 0; g < 8; g += 2)
        dither_nibbles(x + g * 32, 32, kWholeUnits, line(g), line(g + 1), dither.from(g * 32), block.q + g * 16);
}

template <class Format>
void dither_blocks(const float * src, int64_t n, const Dither & dither, void * encoded) {
    auto * blocks = static_cast<typename Format::Block *>(encoded);
    for (int64_t first = 0; first < n; first += Format::block_length)
        dither_block(src + first, dither.from(first), *blocks++);
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
    for (int64_t b = 0; b < n / NF4::block_length; ++b) {
        const DitherLine line{absmax[b], 0};
        dither_nibbles(src + b * NF4::block_length, NF4::block_code_bytes, kNF4Units, line, line,
                       dither.from(b * NF4::block_length), codes + b * NF4::block_code_bytes);
    }
}

}  // namespace ql

int ql_dtype_can_dither(ql_dtype dtype) {
    return ql::find_dither(dtype) != nullptr;
}

ql_status ql_encode_dithered(ql_dtype dtype, const float * src, int64_t n, uint32_t key, int64_t first, void * dst) {
    return ql::guarded([&] { return ql::encode_dithered(dtype, src, n, {key, first}, dst); });
}
