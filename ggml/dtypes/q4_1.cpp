// q4_1: the codec whose layout q4_1.hpp describes.
#include "ggml/dtypes/q4_1.hpp"

#include <algorithm>

#include "ggml/dtypes/half.hpp"

namespace ql {

bool Q4_1::encode_block(const float * x, Block & block) {
    if (max_magnitude_bits<block_length>(x) >= kInfBits) return false;
    const auto [least, most] = std::minmax_element(x, x + block_length);
    const float min = *least;
    const float d = (*most - min) / 15;
    block.d = f32_to_f16(d);
    block.m = f32_to_f16(min);
    if (block.d == 0x7c00 || (block.m & 0x7fff) == 0x7c00) return false;
    const float inverse = 1 / d;
    const float id = inverse <= std::numeric_limits<float>::max() ? inverse : 0;
    for (int j = 0; j < 16; ++j) {
        const int low = std::min(15, static_cast<int>((x[j] - min) * id + 0.5f));
        const int high = std::min(15, static_cast<int>((x[j + 16] - min) * id + 0.5f));
        block.q[j] = static_cast<uint8_t>(low | high << 4);
    }
    return true;
}

void Q4_1::decode_block(const Block & block, float * y) {
    const float d = f16_to_f32(block.d);
    const float m = f16_to_f32(block.m);
    for (int j = 0; j < 16; ++j) {
        y[j] = d * static_cast<float>(block.q[j] & 15) + m;
        y[j + 16] = d * static_cast<float>(block.q[j] >> 4) + m;
    }
}

Status Q4_1::encode(const float * src, int64_t n, void * dst) {
    return encode_blocks<Q4_1>(src, n, dst);
}

void Q4_1::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q4_1>(src, first, count, dst);
}

}  // namespace ql
