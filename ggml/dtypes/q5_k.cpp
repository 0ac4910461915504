// q5_K: the decoder of the layout that q5_k.hpp describes.
#include "ggml/dtypes/q5_k.hpp"

#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/k_scales.hpp"

namespace ql {

void Q5_K::decode_block(const Block & block, float * y) {
    for (int g = 0; g < 8; ++g) {
        const KScale k = k_scale(block.scales, g);
        const float d = f16_to_f32(block.d) * static_cast<float>(k.scale);
        const float m = f16_to_f32(block.dmin) * static_cast<float>(k.min);
        const uint8_t * low = block.low + g / 2 * 32;
        const int shift = g % 2 * 4;
        for (int j = 0; j < 32; ++j) {
            const int q = (low[j] >> shift & 15) | (block.high[j] >> g & 1) << 4;
            y[g * 32 + j] = d * static_cast<float>(q) - m;
        }
    }
}

void Q5_K::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q5_K>(src, first, count, dst);
}

}  // namespace ql
