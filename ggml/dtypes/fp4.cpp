// fp4: the codec whose layout fp4.hpp describes.
#include "ggml/dtypes/fp4.hpp"

#include "ggml/dtypes/block_codes.hpp"
#include "ggml/dtypes/two_planes.hpp"

namespace ql {

Status FP4::encode_blocks(const float * src, int64_t n, uint8_t * codes, float * absmax, int64_t first) {
    return encode_two_planes<FP4, encode_fp4_blocks>(src, n, codes, absmax, first);
}

Status FP4::encode(const float * src, int64_t n, void * dst) {
    return encode_two_planes<FP4>(src, n, dst);
}

void FP4::decode(const void * src, int64_t n, int64_t first, int64_t count, float * dst) {
    const NF4Layout planes(src, n);
    decode_two_planes<kFP4Values>(
        planes.codes, first, count, [&](int64_t b) { return planes.absmax[b]; }, dst);
}

}  // namespace ql
