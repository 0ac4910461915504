// f32 is what every other format is converted from and to: a copy.
#include "ggml/dtypes/f32.hpp"

#include <algorithm>

namespace ql {

Status F32::encode(const float * src, int64_t n, void * dst) {
    std::copy_n(src, n, static_cast<float *>(dst));
    return {};
}

void F32::decode(const void * src, int64_t, int64_t first, int64_t count, float * dst) {
    std::copy_n(static_cast<const float *>(src) + first, count, dst);
}

}  // namespace ql
