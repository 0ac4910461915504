// q8_0: the codec whose layout q8_0.hpp describes.
#include "ggml/dtypes/q8_0.hpp"

#include "ggml/dtypes/half.hpp"

namespace ql {

bool Q8_0::encode_block(const float * x, Block & block) {
    const uint32_t most = max_magnitude_bits<block_length>(x);
    if (most >= kInfBits) return false;
    const float d = std::bit_cast<float>(most) / 127;
    block.d = f32_to_f16(d);
    if (block.d == 0x7c00) return false;
    const float inverse = 1 / d;  // infinite for 0 and for d so small that its f16 is 0: then any code decodes to 0
    const float id = inverse <= std::numeric_limits<float>::max() ? inverse : 0;
    for (int j = 0; j < block_length; ++j) {
        const float v = x[j] * id;  // |v| <= 127.00001: truncation and the distance to it are exact
        const int32_t whole = static_cast<int32_t>(v);
        const float rest = v - static_cast<float>(whole);
        block.q[j] = static_cast<int8_t>(whole + (rest >= 0.5f) - (rest <= -0.5f));
    }
    return true;
}

void Q8_0::decode_block(const Block & block, float * y) {
    const float d = f16_to_f32(block.d);
    for (int j = 0; j < block_length; ++j) y[j] = d * static_cast<float>(block.q[j]);
}

Status Q8_0::encode(const float * src, int64_t n, void * dst) {
    return encode_blocks<Q8_0>(src, n, dst);
}

void Q8_0::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q8_0>(src, first, count, dst);
}

}  // namespace ql
