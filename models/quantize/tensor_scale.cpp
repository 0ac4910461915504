#include "models/quantize/tensor_scale.hpp"

#include <cmath>
#include <cstring>

#include "models/files/weight_names.hpp"
#include "models/quantize/policy.hpp"

namespace ql {
namespace {

constexpr double kMost = 1e15;  // of a factor, or of 1 by it: its square is finite, too

}  // namespace

bool can_have_scale(std::string_view name, int n_dims) {
    return n_dims == 2 && (weight_role(name, n_dims) == WeightRole::block_matrix || name == kHead);
}

Result<float> tensor_scale(const ql_gguf_tensor & t) {
    if (t.dtype != QL_F32)
        return error(QL_UNSUPPORTED, "tensor '%.80s' is %s; the scale of a tensor must be f32", t.name,
                     ql_dtype_name(t.dtype));
    const int64_t n = t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3];
    if (n != 1)
        return error(QL_BAD_FILE, "tensor '%.80s' has %lld elements; the scale of a tensor is one number", t.name,
                     static_cast<long long>(n));
    float scale = 0;
    std::memcpy(&scale, t.data, sizeof scale);
    const double size = std::fabs(static_cast<double>(scale));
    if (size >= 1 / kMost && size <= kMost) return scale;
    return error(QL_BAD_FILE, "tensor '%.80s' is %g; a scale between 1e-15 and 1e15 is possible", t.name,
                 static_cast<double>(scale));
}

}  // namespace ql
