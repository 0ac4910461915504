// nf4: the codec whose layout nf4.hpp describes.
#include "ggml/dtypes/nf4.hpp"

#include "ggml/dtypes/block_codes.hpp"
#include "ggml/dtypes/two_planes.hpp"

namespace ql {

Status NF4::encode_blocks(const float * src, int64_t n, uint8_t * codes, float * absmax, int64_t first) {
    return encode_two_planes<NF4, encode_nf4_blocks>(src, n, codes, absmax, first);
}

Status NF4::encode(const float * src, int64_t n, void * dst) {
    return encode_two_planes<NF4>(src, n, dst);
}

void NF4::decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst) {
    const NF4Layout planes(src, n);
    decode_two_planes<kNF4Codebook>(
        planes.codes, first, count, [&](int64_t b) { return planes.absmax[b]; }, dst);
}

}  // namespace ql
