// q8_0: the codec whose layout q8_0.hpp describes.
#include "ggml/dtypes/q8_0.hpp"

#include "ggml/dtypes/block_codes.hpp"
#include "ggml/dtypes/half.hpp"

namespace ql {

void Q8_0::decode_block(const Block & block, float * y) {
    const float d = f16_to_f32(block.d);
    for (int j = 0; j < block_length; ++j) y[j] = d * static_cast<float>(block.q[j]);
}

Status Q8_0::encode(const float * src, int64_t n, void * dst) {
    const int64_t done = encode_q8_0_blocks(src, n / block_length, static_cast<Block *>(dst));
    return done == n / block_length ? Status() : refused_block(name, src + done * block_length, block_length, done);
}

void Q8_0::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q8_0>(src, first, count, dst);
}

}  // namespace ql
