// q6_K: the decoder of the layout that q6_k.hpp describes.
#include "ggml/dtypes/q6_k.hpp"

#include "ggml/dtypes/half.hpp"

namespace ql {

void Q6_K::decode_block(const Block & block, float * y) {
    const float d = f16_to_f32(block.d);
    for (int run = 0; run < 8; ++run) {  // 32 weights: quarter `run % 4` of half `run / 4`
        const int half = run / 4;
        const int quarter = run % 4;
        const uint8_t * low = block.low + half * 64 + quarter % 2 * 32;
        const uint8_t * high = block.high + half * 32;
        for (int j = 0; j < 32; ++j) {
            const int q = (low[j] >> (quarter / 2 * 4) & 15) | (high[j] >> (quarter * 2) & 3) << 4;
            const float scale = d * static_cast<float>(block.scales[run * 2 + j / 16]);
            y[run * 32 + j] = scale * static_cast<float>(q - 32);
        }
    }
}

void Q6_K::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q6_K>(src, first, count, dst);
}

}  // namespace ql
