// f16: the conversions of half.hpp over an array.
#include "ggml/dtypes/f16.hpp"

#include "ggml/dtypes/half_rows.hpp"

namespace ql {

Status F16::encode(const float * src, int64_t n, void * dst) {
    f32_to_f16(src, n, static_cast<uint16_t *>(dst));
    return {};
}

void F16::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    f16_to_f32(static_cast<const uint16_t *>(src) + first, count, dst);
}

}  // namespace ql
