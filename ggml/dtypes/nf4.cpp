// nf4: the codec whose layout nf4.hpp describes.
#include "ggml/dtypes/nf4.hpp"

#include "ggml/dtypes/block_codes.hpp"

namespace ql {

Status NF4::encode_blocks(const float * src, int64_t n, uint8_t * codes, float * absmax, int64_t first) {
    const int64_t done = encode_nf4_blocks(src, n / block_length, codes, absmax);
    if (done == n / block_length) return {};
    return refused_block(name, src + done * block_length, block_length, first / block_length + done);
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
