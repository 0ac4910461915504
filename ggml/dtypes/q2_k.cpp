// q2_K: the decoder of the layout that q2_k.hpp describes.
#include "ggml/dtypes/q2_k.hpp"

#include "ggml/dtypes/half.hpp"

namespace ql {

void Q2_K::decode_block(const Block & block, float * y) {
    for (int g = 0; g < 16; ++g) {
        const float d = f16_to_f32(block.d) * static_cast<float>(block.scales[g] & 15);
        const float m = f16_to_f32(block.dmin) * static_cast<float>(block.scales[g] >> 4);
        const uint8_t * q = block.q + g / 8 * 32 + g % 2 * 16;
        for (int j = 0; j < 16; ++j) y[g * 16 + j] = d * static_cast<float>(q[j] >> g / 2 % 4 * 2 & 3) - m;
    }
}

void Q2_K::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q2_K>(src, first, count, dst);
}

}  // namespace ql
