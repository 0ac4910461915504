// q5_1: the decoder of the layout that q5_1.hpp describes.
#include "ggml/dtypes/q5_1.hpp"

#include "ggml/dtypes/half.hpp"

namespace ql {

void Q5_1::decode_block(const Block & block, float * y) {
    const float d = f16_to_f32(block.d);
    const float m = f16_to_f32(block.m);
    for (int j = 0; j < 32; ++j) {
        const int low = j < 16 ? block.low[j] & 15 : block.low[j - 16] >> 4;
        const int high = block.high[j / 8] >> (j % 8) & 1;
        y[j] = d * static_cast<float>(low | high << 4) + m;
    }
}

void Q5_1::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q5_1>(src, first, count, dst);
}

}  // namespace ql
