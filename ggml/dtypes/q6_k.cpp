// q6_K: the codec whose layout q6_k.hpp describes.
#include "ggml/dtypes/q6_k.hpp"

#include <algorithm>

#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/k_block.hpp"

namespace ql {

bool Q6_K::encode_block(const float * x, Block & block) {
    SignedBlock fitted;
    if (!encode_signed(x, 32, 128, fitted)) return false;
    block.d = fitted.d;
    std::copy_n(fitted.scale, 16, block.scales);
    for (int half = 0; half < 2; ++half)
        for (int j = 0; j < 32; ++j) {
            const auto code = [&](int quarter) { return fitted.code(half * 128 + quarter * 32 + j); };
            uint8_t * low = block.low + half * 64 + j;
            low[0] = static_cast<uint8_t>((code(0) & 15) | (code(2) & 15) << 4);
            low[32] = static_cast<uint8_t>((code(1) & 15) | (code(3) & 15) << 4);
            block.high[half * 32 + j] =
                static_cast<uint8_t>(code(0) >> 4 | code(1) >> 4 << 2 | code(2) >> 4 << 4 | code(3) >> 4 << 6);
        }
    return true;
}

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

Status Q6_K::encode(const float * src, int64_t n, void * dst) {
    return encode_blocks<Q6_K>(src, n, dst);
}

void Q6_K::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q6_K>(src, first, count, dst);
}

}  // namespace ql
