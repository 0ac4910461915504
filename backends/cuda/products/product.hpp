// Products with weights of any format, for the operators that are made of them.
#pragma once
#include "backends/cuda/formats/format.cuh"
#include "backends/cuda/ops/elements.cuh"

namespace ql::cuda {

/// y [rows, T] = add + scale op(W) x, op(W) being W [k, m] or, `transposed`, its transpose; x is [m or k, T].
struct Product {
    Weight w;
    ql_dtype dtype;
    bool transposed;
    const float * x;
    int64_t n_tokens;
    float * y;
    const float * add = nullptr;  // null: none; may be y
    float scale = 1;
    int64_t n_batch = 0;  // tokens of the operator, where these are some of them: all are computed in one way

    int64_t depth() const { return transposed ? w.m : w.k; }
    int64_t rows() const { return transposed ? w.k : w.m; }
};

/// The rule: products of so many tokens, not transposed, are those of few.cuh, in f32 whatever the device computes in.
/// Beyond, tensor cores pay, or in f32 the tiles of gemm.cu.
inline constexpr int64_t kFewTokens = 8;
inline bool are_few(int64_t n_tokens) {
    return n_tokens <= kFewTokens;
}

/// y = add + scale factor[t] W x, in f32. A factor of 0 makes the product 0, whatever it was.
struct FewProduct {
    Weight w;
    const float * x;
    int64_t n_tokens;
    float * y;
    const float * add;  // null: none; may be y
    float scale;
    const float * factor;  // null: all are 1
    int64_t factor_step;   // from a token's factor to the next one's
    // The format's kernels set these:
    bool wide = false;
    int lanes = 0;
};

/// What a format's kernels are: products on tensor cores, those for few tokens, and decoding to f32.
struct FormatKernels {
    ql_dtype dtype;
    Status (*multiply)(const Launch & l, const Product & p);  // null: products are computed in f32
    Status (*multiply_few)(const Launch & l, FewProduct p);
    /// y[:, t] = row ids[t] of W, NaN where there is none; without ids rows first, first + 1 ...
    Status (*decode)(const Launch & l, const Weight & w, const int32_t * ids, int64_t first, int64_t n, float * y);
};

/// Null: the format has no kernels.
const FormatKernels * find_format(ql_dtype dtype);
/// Ok, or which source's format has no kernels.
Status expect_format(const Operand & w);

Weight weight_of(const Operand & w, const void * data);

/// Bytes that multiply needs beside its operands: none on tensor cores and for weights of f32; else, in
/// f32, a panel of decoded rows.
size_t product_scratch(const Operand & w, const DeviceImpl & device);
Status multiply(const Launch & l, const Product & p, std::byte * scratch);

/// A matrix of f32 (a: or f16, bf16) with a step between neighbours along each of its sides.
struct Strided {
    const void * data;
    int64_t row, depth;
    ql_dtype dtype = QL_F32;
};
/// c[i + j ldc] = add[i + j ldc] + scale factor[j] sum_p a(i, p) b(p, j), in f32, p in order. A factor of 0 makes the
/// sum 0, whatever it was. add and factor may be absent; factors are `factor_step` apart.
struct Gemm {
    int64_t m, n, depth;
    Strided a, b;
    float * c;
    int64_t ldc;
    float scale = 1;
    const float * add = nullptr;
    const float * factor = nullptr;
    int64_t factor_step = 0;
};
Status gemm(const Launch & l, const Gemm & g);
/// The same, by kernels for few tokens where there are few; the order of sums is then their own.
Status multiply(const Launch & l, const Gemm & g);

}  // namespace ql::cuda
