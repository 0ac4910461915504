// The kernels of products in bf16: the rows of bf16_kernels.hpp's table, which says what each does.
#pragma once
#include "backends/cpu/bf16_kernels.hpp"
#include "backends/cpu/products/beside.hpp"

namespace ql::cpu {

/// By tdpbf16ps; only where the processor has AMX and the system gives out the tile registers.
void gemm_amx(Pool & pool, const GemmBf16 & g, std::byte * scratch);

// By vdpbf16ps: only where the processor has AVX-512 BF16.

void gemm_vdpbf16(Pool & pool, const GemmBf16 & g, std::byte * scratch);
Beside beside_vdpbf16(const GemmBf16 & g);
void round_rows(Pool & pool, const float * x, int64_t n, int64_t rows, uint16_t * dst);
/// For nf4 and nf4_dq.
DotRows nf4_dot_rows_bf16(ql_dtype dtype, int64_t tokens);
size_t outer_scratch(size_t sums, int64_t r, int64_t tokens);
void outer_sums(Pool & pool, std::span<const OuterBf16> sums, int64_t r, int64_t tokens, std::byte * scratch);

}  // namespace ql::cpu
