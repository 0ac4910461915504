// iq4_nl: the decoder of the layout that iq4_nl.hpp describes.
#include "ggml/dtypes/iq4_nl.hpp"

#include "ggml/dtypes/half.hpp"

namespace ql {

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
