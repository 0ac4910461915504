// nf4: the codec whose layout nf4.hpp describes. Encoding is written as loops over whole blocks without a branch, which
// the compiler turns into vector code for whatever the file is compiled for.
#include "ggml/dtypes/nf4.hpp"

namespace ql {

void NF4::encode_codes(const float * x, float inverse, uint8_t * codes) {
    int32_t code[block_length];
    for (int j = 0; j < block_length; ++j) code[j] = nf4_code(x[j] * inverse);
    for (int j = 0; j < block_code_bytes; ++j) codes[j] = static_cast<uint8_t>(code[j] | code[j + 32] << 4);
}

Status NF4::encode_blocks(const float * src, int64_t n, uint8_t * codes, float * absmax, int64_t first) {
    constexpr float kLeast = 1e-38f;  // keeps the reciprocal finite
    for (int64_t b = 0; b < n / block_length; ++b) {
        const float * x = src + b * block_length;
        const uint32_t most = max_magnitude_bits<block_length>(x);
        if (most >= kInfBits) return refused_block(name, x, block_length, first / block_length + b);
        absmax[b] = std::bit_cast<float>(most);
        encode_codes(x, 1.0f / (absmax[b] > kLeast ? absmax[b] : kLeast), codes + b * block_code_bytes);
    }
    return {};
}

Status NF4::encode(const float * src, int64_t n, void * dst) {
    auto * base = static_cast<uint8_t *>(dst);
    const NF4Offsets at(n);
    for (size_t i = static_cast<size_t>(n) / 2; i < at.absmax; ++i) base[i] = 0;  // the gap between the planes
    return encode_blocks(src, n, base, reinterpret_cast<float *>(base + at.absmax), 0);
}

void NF4::decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst) {
    const NF4Layout planes(src, n);
    for (int64_t b = first / block_length; b < (first + count) / block_length; ++b, dst += block_length) {
        const uint8_t * codes = planes.codes + b * block_code_bytes;
        const float absmax = planes.absmax[b];
        for (int j = 0; j < block_code_bytes; ++j) {
            dst[j] = kNF4Codebook[codes[j] & 15] * absmax;
            dst[j + 32] = kNF4Codebook[codes[j] >> 4] * absmax;
        }
    }
}

}  // namespace ql
