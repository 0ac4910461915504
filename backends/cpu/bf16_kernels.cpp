#include "backends/cpu/bf16_kernels.hpp"

#include <algorithm>

#include "backends/cpu/attention/bf16.hpp"
#include "backends/cpu/products/bf16.hpp"

namespace ql::cpu {
namespace {

/// Their files are compiled where the build has flags for them (cpu.cmake says which), and entered only on a processor
/// that has the instructions.
#if defined(QL_CPU_BF16_KERNELS)
constexpr Bf16Kernels kBestFirst[] = {
    {.isa = Isa::amx,
     .gemm = gemm_amx,
     .attention = {attention_blocks_amx, attention_blocks_amx_scratch},
     .attention_back = {attention_gradients_amx, attention_gradients_amx_scratch},
     .beside = beside_vdpbf16,
     .round_rows = round_rows,
     .dot_rows = nf4_dot_rows_bf16,
     .outer_scratch = outer_scratch,
     .outer_sums = outer_sums},
    {.isa = Isa::avx512_bf16,
     .gemm = gemm_vdpbf16,
     .attention = {attention_blocks_bf16, attention_blocks_bf16_scratch},
     .attention_back = {attention_gradients_bf16, attention_gradients_bf16_scratch},
     .beside = beside_vdpbf16,
     .round_rows = round_rows,
     .dot_rows = nf4_dot_rows_bf16,
     .outer_scratch = outer_scratch,
     .outer_sums = outer_sums},
};
constexpr std::span<const Bf16Kernels> kTable = kBestFirst;
#else
constexpr std::span<const Bf16Kernels> kTable;
#endif

}  // namespace

const Bf16Kernels * bf16_kernels(Isa isa) {
    const auto fits = [&](const Bf16Kernels & row) { return row.isa <= isa && isa != Isa::neon; };
    const auto row = std::find_if(kTable.begin(), kTable.end(), fits);
    return row == kTable.end() ? nullptr : &*row;
}

}  // namespace ql::cpu
