// iq4_nl: the codec whose layout iq4_nl.hpp describes.
#include "ggml/dtypes/iq4_nl.hpp"

#include <algorithm>

#include "ggml/dtypes/group_fit.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql {
namespace {

/// `count` blocks, at most kFitted.                  returns  how many could be encoded before one could not
int encode_some(const float * x, int count, IQ4_NL::Block * blocks) {
    for (int i = 0; i < count; ++i) {
        const uint32_t most = max_magnitude_bits<IQ4_NL::block_length>(x + i * IQ4_NL::block_length);
        if (most > std::bit_cast<uint32_t>(kMostFitted)) count = i;
    }
    const Groups groups(x, IQ4_NL::block_length, count);
    alignas(32) float scale[kFitted];
    fit_units(groups, kIQ4Values, scale);
    uint16_t d[kFitted];
    for (int i = 0; i < kFitted; ++i) {
        d[i] = f32_to_f16(scale[i]);
        if ((d[i] & 0x7fff) == 0) d[i] = 0;
        if ((d[i] & 0x7fff) == 0x7c00) count = std::min(count, i), d[i] = 0;
        scale[i] = f16_to_f32(d[i]);
    }
    GroupCodes codes;
    unit_codes(groups, scale, kIQ4Values, codes);
    for (int i = 0; i < count; ++i) {
        blocks[i].d = d[i];
        for (int j = 0; j < 16; ++j)
            blocks[i].q[j] = static_cast<uint8_t>(codes.code[j][i] | codes.code[j + 16][i] << 4);
    }
    return count;
}

}  // namespace

Status IQ4_NL::encode(const float * src, int64_t n, void * dst) {
    const int64_t blocks = n / block_length;
    for (int64_t i = 0; i < blocks; i += kFitted) {
        const int count = static_cast<int>(std::min<int64_t>(kFitted, blocks - i));
        const int done = encode_some(src + i * block_length, count, static_cast<Block *>(dst) + i);
        if (done < count) return refused_block(name, src + (i + done) * block_length, block_length, i + done);
    }
    return {};
}

void IQ4_NL::decode_block(const Block & block, float * y) {
    const float d = f16_to_f32(block.d);
    for (int j = 0; j < 16; ++j) {
        y[j] = d * kIQ4Values[block.q[j] & 15];
        y[j + 16] = d * kIQ4Values[block.q[j] >> 4];
    }
}

void IQ4_NL::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<IQ4_NL>(src, first, count, dst);
}

}  // namespace ql
