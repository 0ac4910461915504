// q4_K: the codec whose layout q4_k.hpp describes.
#include "ggml/dtypes/q4_k.hpp"

#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/k_block.hpp"
#include "ggml/dtypes/k_scales.hpp"

namespace ql {

bool Q4_K::encode_block(const float * x, Block & block) {
    AffineBlock fitted;
    if (!encode_affine(x, 15, fitted)) return false;
    block.d = fitted.d, block.dmin = fitted.dmin;
    pack_k_scales(fitted.scale, fitted.minimum, block.scales);
    for (int g = 0; g < 8; g += 2)
        for (int j = 0; j < 32; ++j) {
            const uint8_t * code = fitted.codes.code[j] + g;
            block.q[g * 16 + j] = static_cast<uint8_t>(code[0] | code[1] << 4);
        }
    return true;
}

void Q4_K::decode_block(const Block & block, float * y) {
    for (int g = 0; g < 8; ++g) {
        const KScale k = k_scale(block.scales, g);
        const float d = f16_to_f32(block.d) * static_cast<float>(k.scale);
        const float m = f16_to_f32(block.dmin) * static_cast<float>(k.min);
        const uint8_t * q = block.q + g / 2 * 32;
        const int shift = g % 2 * 4;
        for (int j = 0; j < 32; ++j) y[g * 32 + j] = d * static_cast<float>(q[j] >> shift & 15) - m;
    }
}

Status Q4_K::encode(const float * src, int64_t n, void * dst) {
    return encode_blocks<Q4_K>(src, n, dst);
}

void Q4_K::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q4_K>(src, first, count, dst);
}

}  // namespace ql
