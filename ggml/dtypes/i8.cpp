// i8: see integers.hpp.
#include "ggml/dtypes/i8.hpp"

#include "ggml/dtypes/integers.hpp"

namespace ql {

Status I8::encode(const float * src, int64_t n, void * dst) {
    return encode_integers<Block>(name, src, n, dst);
}

void I8::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    decode_integers<Block>(src, first, count, dst);
}

}  // namespace ql
