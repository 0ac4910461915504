// q3_K: the codec whose layout q3_k.hpp describes.
#include "ggml/dtypes/q3_k.hpp"

#include "ggml/dtypes/half.hpp"
#include "ggml/dtypes/k_block.hpp"

namespace ql {
namespace {

void pack_scales(const int8_t * scale, uint8_t * packed) {
    for (int i = 0; i < 12; ++i) packed[i] = 0;
    for (int g = 0; g < 16; ++g) {
        const int s = scale[g] + 32;
        packed[g % 8] = static_cast<uint8_t>(packed[g % 8] | (s & 15) << g / 8 * 4);
        packed[8 + g % 4] = static_cast<uint8_t>(packed[8 + g % 4] | s >> 4 << g / 4 * 2);
    }
}

}  // namespace

bool Q3_K::encode_block(const float * x, Block & block) {
    SignedBlock fitted;
    if (!encode_signed(x, 4, 32, fitted)) return false;
    block.d = fitted.d;
    pack_scales(fitted.scale, block.scales);
    for (int j = 0; j < 32; ++j) {
        int high = 0;
        for (int half = 0; half < 2; ++half) {
            int low = 0;
            for (int k = 0; k < 4; ++k) {
                const int q = fitted.code(half * 128 + k * 32 + j);
                low |= (q & 3) << 2 * k;
                high |= q >> 2 << (4 * half + k);
            }
            block.low[half * 32 + j] = static_cast<uint8_t>(low);
        }
        block.high[j] = static_cast<uint8_t>(high);
    }
    return true;
}

void Q3_K::decode_block(const Block & block, float * y) {
    const float d = f16_to_f32(block.d);
    for (int run = 0; run < 8; ++run) {  // 32 weights: quarter `run % 4` of half `run / 4`
        const uint8_t * low = block.low + run / 4 * 32;
        for (int j = 0; j < 32; ++j) {
            const int q = (low[j] >> run % 4 * 2 & 3) | (block.high[j] >> run & 1) << 2;
            y[run * 32 + j] = d * static_cast<float>(scale(block, run * 2 + j / 16)) * static_cast<float>(q - 4);
        }
    }
}

Status Q3_K::encode(const float * src, int64_t n, void * dst) {
    return encode_blocks<Q3_K>(src, n, dst);
}

void Q3_K::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_blocks<Q3_K>(src, first, count, dst);
}

}  // namespace ql
