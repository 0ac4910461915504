// f16: the conversions of half.hpp over an array.
#include "ggml/dtypes/f16.hpp"

#include "ggml/dtypes/half.hpp"

namespace ql {

Status F16::encode(const float * src, int64_t n, void * dst) {
    auto * out = static_cast<uint16_t *>(dst);
    for (int64_t i = 0; i < n; ++i) out[i] = f32_to_f16(src[i]);
    return {};
}

void F16::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    const auto * in = static_cast<const uint16_t *>(src) + first;
    for (int64_t i = 0; i < count; ++i) dst[i] = f16_to_f32(in[i]);
}

}  // namespace ql
