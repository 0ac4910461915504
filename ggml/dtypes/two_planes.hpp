// Loops over blocks of 64 codes of four bits, whose scales lie in a plane of their own (nf4.hpp): of nf4, nf4_dq and fp4, which
// differ in their values and in where a scale comes from.
#pragma once
#include "ggml/dtypes/nf4.hpp"

namespace ql {

/// As the encoders of block_codes.hpp.
using EncodeTwoPlanes = int64_t (*)(const float * src, int64_t blocks, uint8_t * codes, float * absmax);

/// As NF4::encode_blocks.
template <class Format, EncodeTwoPlanes encode>
Status encode_two_planes(const float * src, int64_t n, uint8_t * codes, float * absmax, int64_t first) {
    constexpr int64_t length = Format::block_length;
    const int64_t done = encode(src, n / length, codes, absmax);
    if (done == n / length) return {};
    return refused_block(Format::name, src + done * length, length, first / length + done);
}

/// A whole tensor, by Format::encode_blocks.
template <class Format>
Status encode_two_planes(const float * src, int64_t n, void * dst) {
    auto * base = static_cast<uint8_t *>(dst);
    const NF4Offsets at(n);
    for (size_t i = static_cast<size_t>(n) / 2; i < at.absmax; ++i) base[i] = 0;  // the gap between the planes
    return Format::encode_blocks(src, n, base, reinterpret_cast<float *>(base + at.absmax), 0);
}

/// scale_of(b): the scale of block b of the tensor.
template <const float (&kValues)[16], class Scale>
void decode_two_planes(const uint8_t * codes, int64_t first, int64_t count, Scale scale_of, float * dst) {
    constexpr int64_t length = NF4::block_length, half = length / 2;
    for (int64_t b = first / length; b < (first + count) / length; ++b, dst += length) {
        const uint8_t * block = codes + b * half;
        const float scale = scale_of(b);
        for (int64_t j = 0; j < half; ++j) {
            dst[j] = kValues[block[j] & 15] * scale;
            dst[j + half] = kValues[block[j] >> 4] * scale;
        }
    }
}

}  // namespace ql
