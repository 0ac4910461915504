// fp4: the codec whose layout fp4.hpp describes. As nf4's, encoding is loops without a branch.
#include "ggml/dtypes/fp4.hpp"

#include <bit>

namespace ql {
namespace {

/// The code of x in [-1, 1]: compares, no branch and no table.
[[gnu::always_inline]] inline int32_t fp4_code(float x) {
    const auto bits = std::bit_cast<int32_t>(x);
    const float magnitude = std::bit_cast<float>(bits & 0x7fffffff);
    int32_t order = 0;
#pragma GCC unroll 7
    for (int i = 0; i < 7; ++i) order += static_cast<int32_t>(magnitude > kFP4Thresholds[i]);
    const auto is_zero = static_cast<int32_t>(order == 0);
    const int32_t sign = (is_zero & static_cast<int32_t>(bits > 0)) | (~is_zero & static_cast<int32_t>(bits < 0));
    return fp4_code_of_order(order) | sign << 3;
}

void encode_codes(const float * x, float inverse, uint8_t * codes) {
    int32_t code[FP4::block_length];
    for (int j = 0; j < FP4::block_length; ++j) code[j] = fp4_code(x[j] * inverse);
    for (int j = 0; j < FP4::block_code_bytes; ++j) codes[j] = static_cast<uint8_t>(code[j] | code[j + 32] << 4);
}

}  // namespace

Status FP4::encode_blocks(const float * src, int64_t n, uint8_t * codes, float * absmax, int64_t first) {
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

Status FP4::encode(const float * src, int64_t n, void * dst) {
    auto * base = static_cast<uint8_t *>(dst);
    const NF4Offsets at(n);
    for (size_t i = static_cast<size_t>(n) / 2; i < at.absmax; ++i) base[i] = 0;  // the gap between the planes
    return encode_blocks(src, n, base, reinterpret_cast<float *>(base + at.absmax), 0);
}

void FP4::decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst) {
    const NF4Layout planes(src, n);
    for (int64_t b = first / block_length; b < (first + count) / block_length; ++b, dst += block_length) {
        const uint8_t * codes = planes.codes + b * block_code_bytes;
        const float absmax = planes.absmax[b];
        for (int j = 0; j < block_code_bytes; ++j) {
            dst[j] = kFP4Values[codes[j] & 15] * absmax;
            dst[j + 32] = kFP4Values[codes[j] >> 4] * absmax;
        }
    }
}

}  // namespace ql
