// Products with weights of any format, for the operators that are made of them.
#pragma once
#include "backends/vulkan/ops/dispatch.hpp"

namespace ql::vulkan {

/// A matrix [k, m] of a format, as shaders/weights.glsl declares it.
struct WeightPush {
    Address data, codes, scales, offset, tables;
};
WeightPush weight_of(const Launch & l, const Operand & w, const void * data);
/// kFormat of shaders/weights.glsl; negative: no shader decodes it.
int format_of(ql_dtype dtype);
/// Ok, or that a source's format is not decoded.
Status expect_format(const Operand & w);

/// c[i + j ldc] = add[i + j ldc] + scale factor[j] sum_p a(i, p) b(j, p), in f32, p in a fixed order. A factor of 0 makes the sum 0,
/// whatever it was. add and factor may be absent (0), add may be c; steps are in elements, `factor_step` between factors.
struct Matmul {
    WeightPush a;
    ql_dtype a_type;
    Address b, c;
    int64_t m, n, depth;
    struct {
        int64_t row, depth;
    } a_step, b_step;
    int64_t ldc;
    float scale = 1;
    Address add = 0;
    bool adds = false;
    ql_dtype b_type = QL_F32, c_type = QL_F32, add_type = QL_F32;  // or bf16
    Address factor = 0;
    bool has_factor = false;
    int64_t factor_step = 0;
};
Status matmul(const Launch & l, const Matmul & m);

/// A matrix of f32.
inline WeightPush plain(Address data) {
    return {data, 0, 0, 0, 0};
}

/// y [rows, T] = op(W) x, op(W) being W [k, m] or, `transposed`, its transpose; x is [m or k, T]. All but W in f32.
Matmul product(const Launch & l, const Operand & w, const void * data, bool transposed, Address x, int64_t n_tokens,
               Address y);

}  // namespace ql::vulkan
