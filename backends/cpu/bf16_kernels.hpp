// The kernels that multiply in bf16, a row for each instruction set that has some, best first. A device that computes
// in bf16 has one row of them, and asks no other; all other kernels choose their instruction set by Highway's dispatch
// (targets.hpp).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/isa.hpp"
#include "backends/cpu/pool.hpp"
#include "backends/cpu/products/dot_rows.hpp"
#include "backends/cpu/products/gemm.hpp"
#include "backends/cpu/products/outer_bf16.hpp"
#include "ggml/backend/backend.hpp"

namespace ql::cpu {

struct AttentionShape;
struct Beside;

/// Attention, or its gradients, of many queries; q, k, v, o and do may each be held in bf16.
struct AttentionKernel {
    /// False if a number is not finite, as it would reach rows that do not see it: the f32 kernel is then to do it all.
    bool (*launch)(const Launch &);
    size_t (*scratch)(const AttentionShape & s, int threads);
};

struct Bf16Kernels {
    Isa isa;  // the least that these kernels need
    void (*gemm)(Pool & pool, const GemmBf16 & g, std::byte * scratch);
    AttentionKernel attention, attention_back;
    /// A product beside one of integers; `g` is to live as long as what is returned.
    Beside (*beside)(const GemmBf16 & g);

    // Kernels that wait for memory use vdpbf16ps in every row: a processor with AMX runs it slower than f32 FMA, not
    // slower than memory.

    /// Rows of f32 [n, rows] to bf16 rows of stride bf16_stride(n), rounded to nearest, ties to even.
    void (*round_rows)(Pool & pool, const float * x, int64_t n, int64_t rows, uint16_t * dst);
    /// A kernel that takes x in bf16, rows of bf16_stride(k); null for types whose f32 kernel keeps up with memory.
    DotRows (*dot_rows)(ql_dtype dtype, int64_t tokens);
    /// Bytes of scratch for so many sums of r rows.
    size_t (*outer_scratch)(size_t sums, int64_t r, int64_t tokens);
    /// Computes all sums at once.
    void (*outer_sums)(Pool & pool, std::span<const OuterBf16> sums, int64_t r, int64_t tokens, std::byte * scratch);
};

/// The first row that an instruction set has; null for one without bf16 products.
const Bf16Kernels * bf16_kernels(Isa isa);

}  // namespace ql::cpu
