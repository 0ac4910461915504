// mxfp4: the encoder of the layout that mxfp4.hpp describes; the decoder is unit_blocks.cpp's.
#include "ggml/dtypes/mxfp4.hpp"

#include <algorithm>

#include "ggml/dtypes/group_fit.hpp"

namespace ql {
namespace {

constexpr int kBlock = MXFP4::block_length;
constexpr float kUnits[16] = {-12, -8, -6, -4, -3, -2, -1, 0, 0, 1, 2, 3, 4, 6, 8, 12};
constexpr uint8_t kCodes[16] = {15, 14, 13, 12, 11, 10, 9, 0, 0, 1, 2, 3, 4, 5, 6, 7};  // of the units
constexpr uint32_t kLeast = (127 - 120) << 23;

/// The exponent that makes the largest weight, given by its bits, 8 to 16; 0 for a block of zeros.
uint8_t exponent_for(uint32_t most) {
    return most < kLeast ? 0 : static_cast<uint8_t>((most >> 23) - 127 - 3 + 128);
}

/// `count` blocks, at most kFitted, whose weights are finite.
void encode_some(const float * x, int count, MXFP4::Block * blocks) {
    float scale[kFitted] = {}, twice[kFitted] = {}, error[kFitted], error_of_twice[kFitted];
    uint8_t e[kFitted] = {};
    for (int i = 0; i < count; ++i) {
        e[i] = exponent_for(max_magnitude_bits<kBlock>(x + i * kBlock));
        if (e[i] == 0) continue;
        scale[i] = MXFP4::half_power(e[i]);
        twice[i] = 2 * scale[i];
    }
    const Groups groups(x, kBlock, count);
    unit_errors(groups, scale, kUnits, error);
    unit_errors(groups, twice, kUnits, error_of_twice);
    for (int i = 0; i < count; ++i)
        if (4 * error_of_twice[i] < error[i]) ++e[i], scale[i] = twice[i];
    GroupCodes codes;
    unit_codes(groups, scale, kUnits, codes);
    for (int i = 0; i < count; ++i) {
        blocks[i].e = e[i];
        for (int j = 0; j < 16; ++j)
            blocks[i].q[j] = static_cast<uint8_t>(kCodes[codes.code[j][i]] | kCodes[codes.code[j + 16][i]] << 4);
    }
}

}  // namespace

Status MXFP4::encode(const float * src, int64_t n, void * dst) {
    const int64_t blocks = n / kBlock;
    for (int64_t i = 0; i < blocks; ++i)
        if (max_magnitude_bits<kBlock>(src + i * kBlock) >= kInfBits)
            return refused_block(name, src + i * kBlock, kBlock, i);
    for (int64_t i = 0; i < blocks; i += kFitted) {
        const int count = static_cast<int>(std::min<int64_t>(kFitted, blocks - i));
        encode_some(src + i * kBlock, count, static_cast<Block *>(dst) + i);
    }
    return {};
}

}  // namespace ql
