// q4_0: the codec whose layout q4_0.hpp describes.
#include "ggml/dtypes/q4_0.hpp"

#include <algorithm>

#include "ggml/dtypes/half.hpp"

namespace ql {

bool Q4_0::encode_block(const float * x, Block & block) {
    const uint32_t most = max_magnitude_bits<block_length>(x);
    if (most >= kInfBits) return false;
    int at = 0;
    while ((std::bit_cast<uint32_t>(x[at]) & 0x7fffffffu) != most) ++at;
    const float d = (most == 0 ? 0.0f : x[at]) / -8;
    block.d = f32_to_f16(d);
    if ((block.d & 0x7fff) == 0x7c00) return false;
    const float inverse = 1 / d;
    const float id = std::fabs(inverse) <= std::numeric_limits<float>::max() ? inverse : 0;
    for (int j = 0; j < 16; ++j) {
        const int low = std::min(15, static_cast<int>(x[j] * id + 8.5f));
        const int high = std::min(15, static_cast<int>(x[j + 16] * id + 8.5f));
        block.q[j] = static_cast<uint8_t>(low | high << 4);
    }
    return true;
}

void Q4_0::decode_block(const Block & block, float * y) {
    const float d = f16_to_f32(block.d);
    for (int j = 0; j < 16; ++j) {
        y[j] = d * static_cast<float>((block.q[j] & 15) - 8);
        y[j + 16] = d * static_cast<float>((block.q[j] >> 4) - 8);
    }
}

Status Q4_0::encode(const float * src, int64_t n, void * dst) {
    return encode_blocks<Q4_0>(src, n, dst);
}

void Q4_0::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q4_0>(src, first, count, dst);
}

}  // namespace ql
