// The operators' scalar parameters, shared by builders, gradient rules, references and kernels. All fields are 4 or 8
// bytes wide and leave no padding: two nodes are equal if their bytes are.
#pragma once
#include <cstdint>

#include "ggml/ir/shape.hpp"

namespace ql {

struct ReshapeParams {
    Shape shape;
};

/// rms_norm and rms_norm_back.
struct RmsNormParams {
    float eps = 0;
};

/// s of y + s B A x: lora, lora_back, lora_merge, mul_mat_merged, dora_scale.
struct LoraParams {
    float scale = 1;
};

/// lora_mix: bit i for an adapter whose branch is among the sources, in the order of the bits.
struct LoraMixParams {
    uint64_t adapters = 0;
};

/// mul_mat_sum: bit i of `transposed` for W_i^T, and the terms' factors.
inline constexpr int kMulMatSumTerms = 8;
struct MulMatSumParams {
    uint32_t transposed = 0;
    float scale[kMulMatSumTerms] = {};
};

struct DropoutParams {
    float p = 0;
    int32_t stream = 0;
};

struct UniformNoiseParams {
    int32_t stream = 0;
};

struct RopeTableParams {
    int32_t n_rot = 0;
    float base = 10000;
    float scale = 1;
    float magnitude = 1;
};

struct RopeParams {
    int32_t mode = 0;     // ql_rope_mode
    int32_t inverse = 0;  // 1: by the negative angles, which is the gradient
};

/// attention and attention_back: the factor of q . k, and the soft cap of that product; 0: none.
struct AttentionParams {
    float scale = 1;
    float cap = 0;
};

/// head_loss and head_loss_back: the soft cap of the logits; 0: none.
struct HeadLossParams {
    float cap = 0;
};

/// y = factor x + offset.
struct ScaleParams {
    float factor = 1, offset = 0;
};

struct UnaryParams {
    int32_t kind = 0;         // UnaryKind
    int32_t derivative = 0;   // 1: the derivative of the function
    float low = 0, high = 0;  // of clamp; low: the cap of soft_cap
};

struct LayerNormParams {
    float eps = 0;
};

struct SliceParams {
    int64_t dim = 0, first = 0, n = 0;
};

struct PadParams {
    int64_t dim = 0, before = 0, after = 0;
};

struct ConcatParams {
    int64_t dim = 0;
};

/// Dimension i of the result is dimension from[i] of the source.
struct PermuteParams {
    int32_t from[4] = {0, 1, 2, 3};
};

struct ExpandParams {
    Shape shape;
};

/// tile and sum_tiles: the length of the result's rows.
struct TileParams {
    int64_t n = 0;
};

struct ScatterAddRowsParams {
    int64_t n_rows = 0;
};

struct TopKParams {
    int64_t k = 0;
};

/// The optimizers' steps: a factor of the learning rate.
struct OptimizerParams {
    float lr_scale = 1;
};

}  // namespace ql
