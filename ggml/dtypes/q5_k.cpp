// q5_K: the codec whose layout q5_k.hpp describes.
#include "ggml/dtypes/q5_k.hpp"

#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/k_block.hpp"
#include "ggml/dtypes/k_scales.hpp"

namespace ql {

bool Q5_K::encode_block(const float * x, Block & block) {
    AffineBlock fitted;
    if (!encode_affine(x, 31, fitted)) return false;
    block.d = fitted.d, block.dmin = fitted.dmin;
    pack_k_scales(fitted.scale, fitted.minimum, block.scales);
    for (int j = 0; j < 32; ++j) {
        const uint8_t * code = fitted.codes.code[j];
        int high = 0;
        for (int g = 0; g < 8; ++g) high |= code[g] >> 4 << g;
        block.high[j] = static_cast<uint8_t>(high);
        for (int g = 0; g < 8; g += 2)
            block.low[g * 16 + j] = static_cast<uint8_t>((code[g] & 15) | (code[g + 1] & 15) << 4);
    }
    return true;
}

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

Status Q5_K::encode(const float * src, int64_t n, void * dst) {
    return encode_blocks<Q5_K>(src, n, dst);
}

void Q5_K::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q5_K>(src, first, count, dst);
}

}  // namespace ql
